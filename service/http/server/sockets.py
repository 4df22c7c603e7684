"""The server's port.

A bound socket accepts no connection until a server listens on it.
"""

import errno
import socket
from contextlib import ExitStack

from facet_vision.service.settings import Settings, SettingsError


def bind(settings: Settings, *options: int) -> socket.socket:
    """Bind a socket to the configured host and port.

    Args:
        settings: `host` and `port`; port 0 takes a free one.
        options: socket options to switch on, such as SO_REUSEPORT; without that one the port
            belongs to this process alone.

    Raises:
        SettingsError: the port cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as unless_bound:
            listener = unless_bound.enter_context(socket.socket(family, kind, protocol))
            # Connections that a former server has closed linger in the kernel for a minute, and
            # without this option they would keep the port from a server that restarts.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for option in options:
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
            listener.bind(address)
            unless_bound.pop_all()
    except OSError as error:
        raise SettingsError(_sentence(settings, error)) from None
    return listener


def bind_shared(settings: Settings) -> socket.socket:
    """Bind a socket in such a way that `bind_another` can bind the same port.

    Raises:
        SettingsError: the port cannot be bound.
    """
    # SO_REUSEPORT would also share the port with another Facet server, without any error.
    # Binding it alone first finds such a server.
    with bind(settings) as alone:
        return bind(_at(settings, alone), socket.SO_REUSEPORT)


def check_free(settings: Settings, first: socket.socket) -> None:
    """Check again that no other server has the port of `first`, on which we do not listen yet.

    Raises:
        SettingsError: another server has the port.
    """
    bind(_at(settings, first)).close()


def bind_another(settings: Settings, first: socket.socket) -> socket.socket:
    """Bind one more socket to the port of `first`.

    The kernel spreads connections over all sockets of the port that listen.

    Raises:
        SettingsError: the port cannot be bound.
    """
    return bind(_at(settings, first), socket.SO_REUSEPORT)


def address_of(settings: Settings, listener: socket.socket) -> str:
    """Return the URL at which a bound socket is reached."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _at(settings: Settings, listener: socket.socket) -> Settings:
    """Return the settings with the port that `listener` has, which may have been chosen freely."""
    return settings.model_copy(update={"port": listener.getsockname()[1]})


def _sentence(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} is already in use on {settings.host}"
    return f"port {settings.port} cannot be used on {settings.host}: {error.strerror or error}"
