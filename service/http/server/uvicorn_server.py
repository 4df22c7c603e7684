"""uvicorn with our configuration, a hook for readiness and an orderly exit."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from socket import socket
from types import FrameType
from typing import Any

from starlette.types import ASGIApp

from facet_vision.service.http.problems import refusal_bytes
from facet_vision.service.settings import Settings, SettingsError

from .accepting import Accepting
from .connection import HttpProtocol, Shed
from .connections import Connections, connection_limit
from .limits import HttpLimits
from .logs import log_config
from .tls import Certificate
from .uvicorn_internals import Config, Server

KEEP_ALIVE_SECONDS = 75
"""Longer than the usual 60 of proxies: they close an idle connection first, so that no request
of theirs meets a connection that we are about to close."""


class HttpServer(Server):
    """A server that reports when it is ready, and at once when it is asked to stop.

    Args:
        app: the application to serve.
        settings: limits and log level.
        on_ready: is awaited once connections are accepted.
        on_exit: is called when a signal, or `stop`, asks the server to stop.
        shed: may answer a request as soon as its head has been read.
        count_rejection: is called with the reason of each connection or head that is refused.
        options: further options of uvicorn's `Config`.

    Raises:
        SettingsError: the certificate cannot be read.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        on_ready: Callable[[], Awaitable[None]],
        on_exit: Callable[[], None] = lambda: None,
        shed: Shed | None = None,
        count_rejection: Callable[[str], None] = lambda _: None,
        **options: Any,
    ) -> None:
        protocol = partial(
            HttpProtocol,
            shed=shed,
            refuse=partial(_refusal, count_rejection),
            connections=Connections(connection_limit(settings)),
            limits=HttpLimits.of(settings),
        )
        self._certificate = Certificate.of(settings)
        if self._certificate:
            options |= self._certificate.options()
        super().__init__(_config(app, settings, {"http": protocol} | options))
        self._watching: asyncio.Task[None] | None = None
        self._accepting: Accepting | None = None
        self._on_ready = on_ready
        self._on_exit = on_exit

    def serve_until_stopped(self, listeners: list[socket] | None = None) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP, then finish admitted requests and return.

        Args:
            listeners: bound sockets; without them the socket that the options name.

        Raises:
            SettingsError: the server cannot listen.
        """
        # uvicorn handles the signals while it serves. Once it has shut down it raises them again,
        # for the former handlers: SIGINT becomes KeyboardInterrupt, SIGTERM only calls `stop`.
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, lambda *_: self.stop())
        try:
            with suppress(KeyboardInterrupt):
                self.run(sockets=listeners)
        except OSError as error:
            raise SettingsError(f"the server cannot listen: {error}") from error
        finally:
            # Libraries that look for leaks at the exit would report every frozen object.
            gc.unfreeze()

    def stop(self) -> None:
        """Stop as if a signal had asked for it."""
        self._on_exit()
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        if self.started:
            freeze_startup_objects()
            if self._certificate:
                # The loop holds tasks weakly; it cancels this one when it ends.
                self._watching = asyncio.create_task(self._certificate.watch())
            if sockets:
                self._accepting = Accepting(sockets, self._protocol, self.config.ssl)
            await self._on_ready()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Accept no more connections, and end those there are once they are answered."""
        if self._accepting:
            self._accepting.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal that asks the server to stop."""
        # First, so that /readyz reports the shutdown and no further request is admitted.
        self._on_exit()
        super().handle_exit(sig, frame)

    def _protocol(self) -> asyncio.Protocol:
        """Make the protocol of a connection, as uvicorn does."""
        config = self.config
        protocol: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def freeze_startup_objects() -> None:
    """Exempt all objects that exist now from garbage collection, until `gc.unfreeze`.

    PyTorch and the other libraries make some 400,000 of them. Each full collection would visit
    them all, and so halt every request for hundreds of milliseconds.
    """
    gc.collect()
    gc.freeze()


def _refusal(count_rejection: Callable[[str], None], error: Exception) -> bytes:
    """Make the answer that ends a connection; there may be no path, since no head was complete."""
    _, answer = refusal_bytes(error, "", count_rejection, {"Connection": "close"})
    return answer


def _config(app: ASGIApp, settings: Settings, options: dict[str, Any]) -> Config:
    defaults: dict[str, Any] = {
        "log_config": log_config(settings),
        "access_log": False,  # `RequestIds` writes a line for each request
        "ws": "none",
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "server_header": False,
        "proxy_headers": bool(settings.forwarded_allow_ips),
        "forwarded_allow_ips": settings.forwarded_allow_ips,
    }
    return Config(app, **(defaults | options))
