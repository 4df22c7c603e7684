"""uvicorn as we run it: how it is set up, when it is ready, and the way out."""

import copy
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from socket import socket
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import LOGGING_CONFIG

from facet_vision.service.settings import Settings, SettingsError

from .connection import Protocol, Shed

KEEP_ALIVE_SECONDS = (
    75  # longer than the usual 60 of proxies, so that they close idle connections and we do not
)


class HttpServer(uvicorn.Server):
    """A server that says when it is ready, and tells of a shutdown at once.

    Args:
        app: what it serves.
        settings: limits and log level.
        on_ready: is awaited once connections are accepted.
        on_exit: is called when a signal asks it to stop.
        shed: may answer a request as soon as its head has been read.
        options: further ones of uvicorn.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        on_ready: Callable[[], Awaitable[None]],
        on_exit: Callable[[], None] = lambda: None,
        shed: Shed | None = None,
        **options: Any,
    ) -> None:
        super().__init__(_config(app, settings, {"http": partial(Protocol, shed=shed)} | options))
        self._on_ready, self._on_exit = on_ready, on_exit

    def serve_until_stopped(self, listeners: list[socket] | None = None) -> None:
        """Serve until SIGINT or SIGTERM, then finish what was begun and return.

        Raises:
            SettingsError: the address cannot be listened on.
        """
        signal.signal(
            signal.SIGTERM, lambda *_: self.stop()
        )  # uvicorn raises the signal again once it has shut down
        try:
            with suppress(KeyboardInterrupt):
                self.run(sockets=listeners)
        except OSError as error:
            raise SettingsError(f"port: expected one to listen on, found: {error}") from error
        finally:
            gc.unfreeze()  # or libraries that look for leaks at the exit find all that they have made

    def stop(self) -> None:
        """Stop as if a signal had asked for it."""
        self._on_exit()
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        if self.started:
            spare_the_collector()
            await self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks it to stop."""
        self._on_exit()
        super().handle_exit(sig, frame)


def spare_the_collector() -> None:
    """Take what was made so far out of Python's garbage collection, until `gc.unfreeze`.

    PyTorch and the rest are some 400,000 objects. To look through them again and again would halt every request for
    hundreds of milliseconds each time.
    """
    gc.collect()
    gc.freeze()


def _config(app: ASGIApp, settings: Settings, options: dict[str, Any]) -> uvicorn.Config:
    usual: dict[str, Any] = {
        "log_config": _logging(settings.log_level.upper()),
        "access_log": settings.log_level in ("debug", "info"),
        "ws": "none",
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "server_header": False,
    }
    return uvicorn.Config(app, **(usual | options))


def _logging(level: str) -> dict[str, Any]:
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["facet"] = {"handlers": ["default"], "propagate": False}
    for name in config["loggers"]:
        config["loggers"][name]["level"] = level
    return config
