"""Taking the port; connections are accepted only once somebody listens there."""

import socket
from contextlib import ExitStack

from facet_vision.service.settings import Settings, SettingsError


def bind(settings: Settings, *options: int) -> socket.socket:
    """Take the port, for this process alone unless further socket options say otherwise.

    Raises:
        SettingsError: it cannot be had.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as unless_bound:
            listener = unless_bound.enter_context(socket.socket(family, kind, protocol))
            for option in (
                socket.SO_REUSEADDR,
                *options,
            ):  # the first for connections that a former server has closed
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
            listener.bind(place)
            unless_bound.pop_all()
    except OSError as error:
        raise SettingsError(
            f"port: expected a free one at {settings.host}, found {settings.port} not to be had ({error.strerror})"
        ) from None
    return listener


def bind_shared(settings: Settings) -> socket.socket:
    """Take the port in such a way that `bind_another` can take it too.

    Raises:
        SettingsError: it cannot be had.
    """
    with bind(settings) as alone:  # who may share a port is not told that another server has it
        return bind(_at(settings, alone), socket.SO_REUSEPORT)


def check_free(settings: Settings, first: socket.socket) -> None:
    """Look again whether another server has the port of `first`, at which nobody of ours listens yet.

    Raises:
        SettingsError: it has.
    """
    bind(_at(settings, first)).close()


def bind_another(settings: Settings, first: socket.socket) -> socket.socket:
    """One more socket at the port of `first`; the kernel spreads connections over those that listen.

    Raises:
        SettingsError: it cannot be had.
    """
    return bind(_at(settings, first), socket.SO_REUSEPORT)


def address_of(settings: Settings, listener: socket.socket) -> str:
    """The URL of a socket."""
    host = settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _at(settings: Settings, listener: socket.socket) -> Settings:
    return settings.model_copy(update={"port": listener.getsockname()[1]})
