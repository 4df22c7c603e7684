"""The server's port.

A bound socket accepts no connection until a server listens on it.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from facet_vision.service.settings import Settings, SettingsError


def bind(settings: Settings, *options: int) -> socket.socket:
    """Bind a socket to the configured host and port, or to the configured path.

    Args:
        settings: `host` and `port`, of which 0 takes a free one; or `unix_socket`.
        options: socket options to switch on, such as SO_REUSEPORT; without that one the port
            belongs to this process alone.

    Raises:
        SettingsError: the port cannot be bound.
    """
    if settings.unix_socket:
        return _bind_path(settings.unix_socket, 0o666 if settings.has_keys else 0o600)
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
    if settings.unix_socket:
        return bind(settings)
    # SO_REUSEPORT would also share the port with another Facet server, without any error.
    # Binding it alone first finds such a server.
    with bind(settings) as alone:
        return bind(_at(settings, alone), socket.SO_REUSEPORT)


def check_free(settings: Settings, first: socket.socket) -> None:
    """Check again that no other server has the port of `first`, on which we do not listen yet.

    Raises:
        SettingsError: another server has the port.
    """
    if not settings.unix_socket:
        bind(_at(settings, first)).close()


def bind_another(settings: Settings, first: socket.socket) -> socket.socket:
    """Bind one more socket to the port of `first`.

    The kernel spreads connections over all sockets of the port that listen. A path has one socket;
    the processes that listen on it share its connections.

    Raises:
        SettingsError: the port cannot be bound.
    """
    if settings.unix_socket:
        return first.dup()
    return bind(_at(settings, first), socket.SO_REUSEPORT)


def address_of(settings: Settings, listener: socket.socket) -> str:
    """Return the URL at which a bound socket is reached; of a path, that of any name on it."""
    scheme = "https" if settings.tls_cert else "http"
    if settings.unix_socket:
        return f"{scheme}://localhost"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listener.getsockname()[1]}"


@contextmanager
def path_removed(settings: Settings) -> Iterator[None]:
    """Remove the configured Unix socket, which is bound, at the end of the block."""
    try:
        yield
    finally:
        if settings.unix_socket:
            settings.unix_socket.unlink(missing_ok=True)


def _bind_path(path: Path, mode: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_abandoned(path)
        listener.bind(str(path))
        os.chmod(path, mode)  # nobody can connect before the server listens
    except OSError as error:
        listener.close()
        found = "another server there" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsError(
            f"unix_socket: expected a path to make a socket at, found {found or error}"
        ) from None
    return listener


def _remove_abandoned(path: Path) -> None:
    """Remove the socket of a server that was killed: nobody listens on it."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


def _at(settings: Settings, listener: socket.socket) -> Settings:
    """Return the settings with the port that `listener` has, which may have been chosen freely."""
    return settings.model_copy(update={"port": listener.getsockname()[1]})


def _sentence(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} is already in use on {settings.host}"
    return f"port {settings.port} cannot be used on {settings.host}: {error.strerror or error}"
