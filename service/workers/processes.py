"""What runs in the processes that the supervisor starts: the engine's, and each HTTP worker's."""

import asyncio
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import rmtree
from socket import socket
from typing import Any

from fastapi import FastAPI

from facet_vision.service.banner import banner
from facet_vision.service.components import Components
from facet_vision.service.http.server.uvicorn_server import HttpServer
from facet_vision.service.settings import Settings

from .app import ENGINE, HTTP, create_http_worker

SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
"""What asks a server to stop."""


@dataclass(frozen=True)
class Started:
    """What the engine's process tells once it takes questions.

    Attributes:
        banner: the text for the terminal.
    """

    banner: str


def run_engine(
    settings: Settings,
    make: Callable[[], FastAPI],
    address: str,
    folder: Path,
    alive: int,
    told: Connection,
) -> None:
    """Build the application and answer HTTP workers until told to stop, or until the supervisor has gone.

    Args:
        make: builds the application.
        address: where HTTP workers listen.
        folder: where to make the sockets for them; it is gone afterwards.
        alive: a file descriptor at whose end the supervisor has gone.
        told: gets `Started`, or the exception because of which there is no start.
    """
    _on_our_own()
    try:
        app = make()
    except Exception as error:
        _tell(told, error)
        return
    components: Components = app.state.components

    async def ready() -> None:
        _stop_with_the_supervisor(server, alive)
        await components.predictor_server.listen(folder / ENGINE)
        told.send(Started(await banner(components, address)))

    # Only HTTP workers can come here, so what they say of their clients holds; and they keep the log of requests.
    options: dict[str, Any] = {
        "uds": str(folder / HTTP),
        "access_log": False,
        "date_header": False,
        "forwarded_allow_ips": "*",
    }
    server = HttpServer(app, settings, on_ready=ready, on_exit=components.drain, **options)
    server.serve_until_stopped()
    rmtree(folder, ignore_errors=True)  # the supervisor would do it, but may have been killed


def run_http_worker(
    settings: Settings, listener: socket, folder: Path, alive: int, told: Connection
) -> None:
    """Serve one socket until told to stop, or until the supervisor or the engine has gone.

    Args:
        settings: this HTTP worker's share of the limits.
        listener: the socket.
        folder: where the engine's process has its sockets.
        alive: a file descriptor at whose end the supervisor has gone.
        told: gets None once connections are accepted.
    """
    _on_our_own()

    async def ready() -> None:
        _stop_with_the_supervisor(server, alive)
        with suppress(OSError):  # of one that takes another's place nobody waits to hear
            told.send(None)

    app, shed = create_http_worker(settings, folder, lost=lambda: server.stop())
    server = HttpServer(app, settings, on_ready=ready, shed=shed)
    server.serve_until_stopped([listener])


def _on_our_own() -> None:
    """Ctrl-C is for the supervisor: it stops the others in their order."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _stop_with_the_supervisor(server: HttpServer, alive: int) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(alive)
        server.stop()

    loop.add_reader(alive, stop)


def _tell(told: Connection, error: Exception) -> None:
    """Let the supervisor raise an exception; one that cannot travel is raised here."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        raise error from None
    told.send(error)
