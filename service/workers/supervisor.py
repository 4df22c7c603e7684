"""Starts the engine's process and the HTTP workers, replaces a HTTP worker that dies, and stops all in order.

The supervisor itself computes nothing and has a single thread, so that it can fork at any time. Children share with it
the memory of all that was imported.
"""

import gc
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, cast

from fastapi import FastAPI

from facet_vision.service.http.server.sockets import (
    address_of,
    bind_another,
    bind_shared,
    check_free,
)
from facet_vision.service.http.server.uvicorn_server import spare_the_collector
from facet_vision.service.settings import Settings, SettingsError

from .app import ENGINE
from .processes import SIGNALS, Started, run_engine, run_http_worker

logger = logging.getLogger("facet.service")

FORK = multiprocessing.get_context("fork")

SHORT_LIFE_SECONDS, PAUSE_SECONDS = 5.0, 1.0
"""A HTTP worker that lives no longer is replaced only after a pause: what ended it may do so again at once."""

MAX_SOCKET_PATH = 100
"""Bytes that the path of a Unix socket may have, with some to spare."""

GRACE_SECONDS = 5.0
"""How much longer than `shutdown_seconds` a process may take to end."""


class ProcessFailed(ChildProcessError):
    """A process of the server has ended by itself."""


class _Stopped(Exception):
    """The server is to stop."""


def supervise(
    settings: Settings, make: Callable[[], FastAPI], announce: Callable[[str], None]
) -> None:
    """Serve with HTTP workers of their own until SIGINT or SIGTERM, then finish what was admitted and return.

    Args:
        settings: `http_workers` says how many.
        make: builds the application of the engine's process; called there.
        announce: is given the text for the terminal once requests are taken.

    Raises:
        SettingsError: the address cannot be listened on.
        ProcessFailed: a process has ended by itself that cannot be replaced.
        Exception: what `make` raises.
    """
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(TemporaryDirectory(prefix="facet-", ignore_cleanup_errors=True))
        )
        _check(settings, folder)
        listeners = [stack.enter_context(bind_shared(settings))]
        while len(listeners) < settings.http_workers:
            listeners.append(stack.enter_context(bind_another(settings, listeners[0])))
        signals = stack.enter_context(_signals())
        alive, ours = os.pipe()
        stack.callback(os.close, alive)
        stack.callback(os.close, ours)
        spare_the_collector()  # and so leave the memory that children share as it is
        stack.callback(gc.unfreeze)
        supervisor = _Supervisor(settings, folder, listeners, signals, (alive, ours))
        stack.callback(supervisor.stop)
        with suppress(_Stopped):
            announce(supervisor.start(make).banner)
            supervisor.watch()


class _Supervisor:
    """The processes of one server.

    Args:
        signals: a file descriptor that can be read once a signal has come.
        alive: a pipe. Its end that is written to is nobody's but ours, so others see at the other end when we are gone.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        listeners: Sequence[socket],
        signals: int,
        alive: tuple[int, int],
    ) -> None:
        self._settings, self._folder, self._listeners, self._signals = (
            settings,
            folder,
            listeners,
            signals,
        )
        self._alive, self._ours = alive
        self._share = _share(settings)
        self._engine: BaseProcess | None = None
        self._http_workers: dict[int, BaseProcess] = {}  # by their place among the listeners
        self._since: dict[int, float] = {}

    def start(self, make: Callable[[], FastAPI]) -> Started:
        """Start everything, and wait until requests are taken."""
        address = address_of(self._settings, self._listeners[0])
        self._engine, told = self._fork(
            run_engine, self._settings, make, address, self._folder, place=None
        )
        started = self._hear(self._engine, told)
        if isinstance(started, Exception):
            raise started
        assert isinstance(started, Started)
        check_free(self._settings, self._listeners[0])
        ready = [self._start_http_worker(place) for place in range(len(self._listeners))]
        for place, connection in enumerate(ready):
            self._hear(self._http_workers[place], connection)
        return started

    def watch(self) -> None:
        """Replace HTTP workers that end, for ever."""
        assert self._engine is not None
        while True:
            places = {process.sentinel: place for place, process in self._http_workers.items()}
            for ended in self._wait(self._engine.sentinel, *places):
                if ended == self._engine.sentinel:
                    raise ProcessFailed(
                        f"engine: expected its process to run, found it ended {_how(self._engine)}"
                    )
                self._replace(places[cast(int, ended)])

    def stop(self) -> None:
        """Let the HTTP workers finish what they were asked, then the engine."""
        for listener in self._listeners:
            listener.close()  # the HTTP workers close theirs: from here on nobody is let in
        for processes in (
            list(self._http_workers.values()),
            [self._engine] if self._engine else [],
        ):
            _end(processes, self._settings.shutdown_seconds + GRACE_SECONDS, self._signals)

    def _start_http_worker(self, place: int) -> Connection:
        listener = self._listeners[place]
        process, ready = self._fork(
            run_http_worker, self._share, listener, self._folder, place=place
        )
        self._http_workers[place], self._since[place] = process, monotonic()
        return ready

    def _replace(self, place: int) -> None:
        logger.error(
            "HTTP worker %d has ended %s; another one takes its place",
            place,
            _how(self._http_workers[place]),
        )
        if monotonic() - self._since[place] < SHORT_LIFE_SECONDS:
            self._wait(timeout=PAUSE_SECONDS)
        self._start_http_worker(place)

    def _fork(
        self, run: Callable[..., None], *arguments: Any, place: int | None
    ) -> tuple[BaseProcess, Connection]:
        hears, tells = FORK.Pipe(duplex=False)

        def child() -> None:
            os.close(self._ours)
            for other, listener in enumerate(self._listeners):
                if other != place:  # who only holds a socket keeps its connections waiting
                    listener.close()
            run(*arguments, self._alive, tells)

        process = FORK.Process(target=child)
        # A signal that comes before the child has its own handlers must wait for them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        tells.close()
        return process, hears

    def _hear(self, process: BaseProcess, connection: Connection) -> Any:
        with connection:
            if connection in self._wait(connection, process.sentinel):
                with suppress(EOFError):
                    return connection.recv()
        process.join()
        raise ProcessFailed(
            f"server: expected its processes to start, found one ended {_how(process)}"
        )

    def _wait(self, *awaited: Any, timeout: float | None = None) -> list[Any]:
        ready = wait([self._signals, *awaited], timeout)
        if self._signals in ready:
            raise _Stopped
        return ready


def _check(settings: Settings, folder: Path) -> None:
    if sys.platform != "linux":
        raise SettingsError(
            f"http_workers: expected 0 on {sys.platform}, where the kernel does not spread connections over processes, "
            f"found {settings.http_workers}"
        )
    if len(path := os.fsencode(folder / ENGINE)) > MAX_SOCKET_PATH:
        raise SettingsError(
            f"TMPDIR: expected a folder that leaves {MAX_SOCKET_PATH} bytes for a socket's path, found {len(path)}"
        )


def _share(settings: Settings) -> Settings:
    """The limits of one HTTP worker, of those that hold for the server."""
    count = settings.http_workers
    return settings.model_copy(
        update={
            # Enough for the largest request, or there would be some that are refused for ever.
            "max_inflight_bytes": max(
                settings.max_inflight_bytes // count,
                min(settings.max_inflight_bytes, settings.max_request_bytes),
            ),
            "decode_threads": max(1, settings.decode_threads // count),
        }
    )


@contextmanager
def _signals() -> Iterator[int]:
    """A file descriptor that can be read once SIGINT or SIGTERM has come."""
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)
    handlers = {sig: signal.signal(sig, lambda *_: os.write(writes, b"!")) for sig in SIGNALS}
    try:
        yield reads
    finally:
        for sig, handler in handlers.items():
            signal.signal(sig, handler)
        os.close(reads)
        os.close(writes)


def _end(processes: Sequence[BaseProcess], seconds: float, signals: int) -> None:
    """Let processes finish what they have begun; they are killed if that takes too long, or at another signal."""
    with suppress(BlockingIOError):
        os.read(signals, 1024)
    for process in processes:
        process.terminate()
    last = monotonic() + seconds
    while left := [process.sentinel for process in processes if process.exitcode is None]:
        ready = wait([signals, *left], max(0.0, last - monotonic()))
        if not ready or signals in ready:
            logger.error("%d processes that have not ended yet are killed", len(left))
            for process in processes:
                process.kill()
    for process in processes:
        process.join()


def _how(process: BaseProcess) -> str:
    process.join()
    code = process.exitcode or 0
    return f"by signal {-code}" if code < 0 else f"with status {code}"
