"""Checks of the settings that decide who may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .environment import SettingsError
from .hosts import is_loopback

if TYPE_CHECKING:
    from .settings import Settings


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine while nobody has to show a key.

    Raises:
        SettingsError: the host is not a loopback address, there are no keys, and `trust_network`
            is off.
    """
    by_path = settings.unix_socket is not None and settings.grpc_port is None
    guarded = settings.has_keys or settings.trust_network or by_path
    if not guarded and not is_loopback(settings.host):
        raise SettingsError(
            f"host: expected a loopback address such as 127.0.0.1 because no keys are configured, "
            f"found {settings.host!r} (FACET_KEYS_FILE names some; FACET_TRUST_NETWORK=1 allows it "
            "where the network itself keeps strangers out)"
        )


def check_access(settings: Settings) -> None:
    """Refuse what says two things about who may ask, or half of one.

    Raises:
        SettingsError: it does.
    """
    if settings.keys and settings.keys_file:
        raise SettingsError("keys: expected FACET_KEYS or FACET_KEYS_FILE, found both")
    for name in ("tls_key", "tls_client_ca"):
        if getattr(settings, name) and not settings.tls_cert:
            raise SettingsError(f"{name}: expected it beside tls_cert, found it alone")
