"""The main functions of the processes that the supervisor starts."""

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

from .app import HTTP_SOCKET, PREDICT_SOCKET, create_http_worker
from .pulses import Pulses

SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""What asks a server to stop; a terminal that closes sends the last."""


ENGINE = -1
"""Index of the engine's process among the pulses: the last one."""


@dataclass(frozen=True)
class Started:
    """The message of the engine's process once it takes predict requests.

    Attributes:
        banner: the text for the terminal.
    """

    banner: str


def run_engine(
    settings: Settings,
    make: Callable[[], FastAPI],
    address: str,
    folder: Path,
    pulses: Pulses,
    alive: int,
    outcome: Connection,
) -> None:
    """Build the application and serve the HTTP workers until asked to stop.

    The end of the supervisor counts as such a request.

    Args:
        settings: limits and log level.
        make: builds the application.
        address: where HTTP workers listen.
        folder: where to make the sockets for them; removed at the end.
        pulses: get signs of life.
        alive: a file descriptor that reads as ended once the supervisor has ended.
        outcome: receives `Started`, or the exception that prevents a start.
    """
    _leave_signals_to_the_supervisor()
    try:
        app = make()
    except Exception as error:
        _report(outcome, error)
        return
    components: Components = app.state.components

    async def ready() -> None:
        _stop_with_the_supervisor(server, alive)
        pulses.beat(ENGINE)
        components.end_when_hung()
        await components.predictor_server.listen(folder / PREDICT_SOCKET)
        outcome.send(Started(await banner(components, address)))

    # Only HTTP workers can connect to this socket, so what they forward about their clients is
    # trusted; and it is they that log requests and add the date.
    options: dict[str, Any] = {
        "uds": str(folder / HTTP_SOCKET),
        "access_log": False,
        "date_header": False,
        "proxy_headers": True,
        "forwarded_allow_ips": "*",
    }
    # They speak TLS and have applied the limits of heads, and add headers of their own.
    roomier: dict[str, Any] = {
        "max_head_bytes": 2 * settings.max_head_bytes,
        "max_head_fields": 2 * settings.max_head_fields,
        "tls_cert": None,
    }
    server = HttpServer(
        app,
        settings.model_copy(update=roomier),
        on_ready=ready,
        on_exit=components.drain,
        **options,
    )
    server.serve_until_stopped()
    rmtree(folder, ignore_errors=True)  # the supervisor would do it, but may have been killed


def run_http_worker(
    settings: Settings,
    listener: socket,
    folder: Path,
    pulses: Pulses,
    index: int,
    alive: int,
    outcome: Connection,
) -> None:
    """Serve one socket until asked to stop.

    The end of the supervisor or of the engine's process counts as such a request.

    Args:
        settings: the limits, divided among the HTTP workers.
        listener: the bound socket.
        folder: where the engine's process has its sockets.
        pulses: get signs of life.
        index: of this worker among them.
        alive: a file descriptor that reads as ended once the supervisor has ended.
        outcome: receives None once connections are accepted.
    """
    _leave_signals_to_the_supervisor()

    async def ready() -> None:
        _stop_with_the_supervisor(server, alive)
        pulses.beat(index)
        with suppress(OSError):  # for a worker that replaces another one nobody waits
            outcome.send(None)

    # `server` is assigned below; `lost` can only be called once it serves.
    app, shed, drain = create_http_worker(settings, folder, lost=lambda: server.stop())
    server = HttpServer(
        app,
        settings,
        on_ready=ready,
        on_exit=drain,
        shed=shed,
        count_rejection=shed.count_rejection,
    )
    server.serve_until_stopped([listener])


def _leave_signals_to_the_supervisor() -> None:
    """Leave the terminal's process group, so that Ctrl-C reaches the supervisor alone.

    The supervisor then stops its processes in order. It blocked the signals for the fork.
    """
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _stop_with_the_supervisor(server: HttpServer, alive: int) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(alive)
        server.stop()

    loop.add_reader(alive, stop)


def _report(outcome: Connection, error: Exception) -> None:
    """Let the supervisor raise an exception; one that cannot be pickled is raised here."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        raise error from None
    outcome.send(error)
