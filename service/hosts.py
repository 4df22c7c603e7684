"""Names and addresses of hosts."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a name or address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
