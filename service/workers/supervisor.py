"""The supervisor of a server of several processes.

It starts the engine's process and the HTTP workers, replaces an HTTP worker that dies, and stops
all of them in order. It computes nothing itself and has a single thread, so that it can fork at any
time. Its children share the memory of everything that it has imported.
"""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import socket
from time import monotonic
from typing import Any, cast

from fastapi import FastAPI

from facet_vision.service.http.server.sockets import address_of, check_free
from facet_vision.service.settings import Settings, SettingsError

from .app import PREDICT_SOCKET
from .processes import ENGINE, SIGNALS, Started, run_engine, run_http_worker
from .pulses import BEAT_SECONDS, Pulses
from .resources import (
    LifeLine,
    frozen_objects,
    listening_sockets,
    made_life_line,
    signal_descriptor,
    socket_folder,
)

logger = logging.getLogger("facet.service")

FORK = multiprocessing.get_context("fork")

START_SECONDS = 60.0
"""Longest time until an HTTP worker that has just been forked serves."""

SHORT_LIFE_SECONDS = 5.0
"""An HTTP worker that ends sooner is replaced after a pause: its successor may end likewise."""

PAUSE_SECONDS = 1.0
"""The length of that pause."""

MAX_SOCKET_PATH_BYTES = 100
"""Longest path of a Unix socket; Linux allows 107."""

GRACE_SECONDS = 5.0
"""How much longer than `shutdown_seconds` a process may take to end before it is killed."""


class ProcessFailed(ChildProcessError):
    """A process of the server has ended by itself."""


class _Stopped(Exception):
    """A signal has asked the server to stop."""


def supervise(
    settings: Settings, make: Callable[[], FastAPI], announce: Callable[[str], None]
) -> None:
    """Serve with HTTP workers until SIGINT or SIGTERM, then finish admitted requests and return.

    Args:
        settings: `http_workers` is their number.
        make: builds the application; called in the engine's process.
        announce: is called with the text for the terminal once requests are taken.

    Raises:
        SettingsError: the address cannot be listened on.
        ProcessFailed: a process has ended by itself that cannot be replaced.
        Exception: what `make` raises.
    """
    # Undone in reverse order: the processes are stopped first, the folder is removed last.
    with ExitStack() as stack:
        folder = stack.enter_context(socket_folder())
        _check(settings, folder)
        listeners = stack.enter_context(listening_sockets(settings))
        signals = stack.enter_context(signal_descriptor())
        life_line = stack.enter_context(made_life_line())
        stack.enter_context(frozen_objects())
        supervisor = _Supervisor(settings, folder, listeners, signals, life_line)
        stack.callback(supervisor.stop)
        with suppress(_Stopped):
            announce(supervisor.start(make).banner)
            supervisor.watch()


class _Supervisor:
    """The processes of one server.

    Args:
        settings: the limits of the whole server.
        folder: where the engine's process makes its sockets.
        listeners: one bound socket for each HTTP worker.
        signals: a file descriptor that can be read once a signal has arrived.
        life_line: through which the children notice the supervisor's end.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        listeners: Sequence[socket],
        signals: int,
        life_line: LifeLine,
    ) -> None:
        self._settings = settings
        self._worker_settings = _share(settings)
        self._folder = folder
        self._listeners = listeners
        self._signals = signals
        self._life_line = life_line
        self._pulses = Pulses(len(listeners) + 1)
        self._engine: BaseProcess | None = None
        # Both by the worker's index, which is that of its socket among the listeners.
        self._http_workers: dict[int, BaseProcess] = {}
        self._started_at: dict[int, float] = {}

    def start(self, make: Callable[[], FastAPI]) -> Started:
        """Start all processes, and wait until requests are taken.

        Raises:
            ProcessFailed: a process has ended before that.
            Exception: what `make` raises.
        """
        address = address_of(self._settings, self._listeners[0])
        self._engine, outcome = self._fork(
            run_engine, self._settings, make, address, self._folder, self._pulses, index=None
        )
        started = self._receive(self._engine, outcome)
        if isinstance(started, Exception):
            raise started
        assert isinstance(started, Started)
        # The engine takes seconds to start, and another server may have taken the port meanwhile.
        check_free(self._settings, self._listeners[0])
        ready = [self._start_http_worker(index) for index in range(len(self._listeners))]
        for index, connection in enumerate(ready):
            self._receive(self._http_workers[index], connection)
        return started

    def watch(self) -> None:
        """Replace each HTTP worker that ends, until a signal arrives.

        Raises:
            ProcessFailed: the engine's process has ended.
        """
        engine = self._engine
        assert engine is not None
        self._pulses.renew()
        while True:
            waited = monotonic()
            workers = {process.sentinel: index for index, process in self._http_workers.items()}
            for ended in self._wait(engine.sentinel, *workers, timeout=BEAT_SECONDS):
                if ended == engine.sentinel:
                    raise ProcessFailed(
                        f"engine: expected its process to run, found it ended {_cause(engine)}"
                    )
                self._replace(workers[cast(int, ended)])
            if monotonic() - waited > 2 * BEAT_SECONDS + PAUSE_SECONDS:
                self._pulses.renew()  # this process or the whole machine was asleep
            self._end_hung(engine)

    def _end_hung(self, engine: BaseProcess) -> None:
        """Kill an HTTP worker that hangs; it is then replaced as one that has died.

        Raises:
            ProcessFailed: the engine's process hangs.
        """
        for index, process in self._http_workers.items():
            if (seconds := self._pulses.age(index)) > self._settings.hang_seconds:
                logger.error(
                    "HTTP worker %d gives no sign of life for %.0f seconds and is killed",
                    index,
                    seconds,
                )
                process.kill()
        if (seconds := self._pulses.age(ENGINE)) > self._settings.engine_hang_seconds:
            engine.kill()
            raise ProcessFailed(
                "engine: expected a sign of life from its process, found none for "
                f"{seconds:.0f} seconds"
            )

    def stop(self) -> None:
        """Let the HTTP workers finish their requests, then the engine."""
        for listener in self._listeners:
            # Each worker closes its own on the signal, and then no new connection is accepted.
            listener.close()
        seconds = self._settings.shutdown_seconds + GRACE_SECONDS
        _end(list(self._http_workers.values()), seconds, self._signals)
        _end([self._engine] if self._engine else [], seconds, self._signals)

    def _start_http_worker(self, index: int) -> Connection:
        self._pulses.grant(index, START_SECONDS)
        process, ready = self._fork(
            run_http_worker,
            self._worker_settings,
            self._listeners[index],
            self._folder,
            self._pulses,
            index,
            index=index,
        )
        self._http_workers[index] = process
        self._started_at[index] = monotonic()
        return ready

    def _replace(self, index: int) -> None:
        cause = _cause(self._http_workers[index])
        logger.error("HTTP worker %d has ended %s; another one takes its place", index, cause)
        if monotonic() - self._started_at[index] < SHORT_LIFE_SECONDS:
            self._wait(timeout=PAUSE_SECONDS)
        self._start_http_worker(index)

    def _fork(
        self, run: Callable[..., None], *arguments: Any, index: int | None
    ) -> tuple[BaseProcess, Connection]:
        """Start a process that calls `run`; with `index` it keeps that listener, else none.

        Returns:
            The process, and the connection through which it reports its start.
        """
        receiving, sending = FORK.Pipe(duplex=False)

        def child() -> None:
            os.close(self._life_line.writing)
            for other, listener in enumerate(self._listeners):
                # A socket listens as long as one process has it open, and connections to a socket
                # that no process accepts from would wait for ever.
                if other != index:
                    listener.close()
            run(*arguments, self._life_line.reading, sending)

        process = FORK.Process(target=child)
        # A signal that arrives before the child has handlers of its own must wait for them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        sending.close()  # so that the child's end shows as the end of the connection
        return process, receiving

    def _receive(self, process: BaseProcess, connection: Connection) -> Any:
        """Wait for a process's report.

        Raises:
            ProcessFailed: it has ended without one.
        """
        with connection:
            if connection in self._wait(connection, process.sentinel):
                with suppress(EOFError):
                    return connection.recv()
        process.join()
        raise ProcessFailed(
            f"server: expected its processes to start, found one ended {_cause(process)}"
        )

    def _wait(self, *awaited: Any, timeout: float | None = None) -> list[Any]:
        """Wait for one of the objects, and return those that are ready.

        Raises:
            _Stopped: a signal has arrived.
        """
        ready = wait([self._signals, *awaited], timeout)
        if self._signals in ready:
            raise _Stopped
        return ready


def _check(settings: Settings, folder: Path) -> None:
    if sys.platform != "linux":
        raise SettingsError(
            f"http_workers: expected 0 on {sys.platform}, where the kernel does not spread "
            f"connections over processes, found {settings.http_workers}"
        )
    path = os.fsencode(folder / PREDICT_SOCKET)
    if len(path) > MAX_SOCKET_PATH_BYTES:
        raise SettingsError(
            f"TMPDIR: expected a folder that leaves {MAX_SOCKET_PATH_BYTES} bytes for a socket's "
            f"path, found {len(path)}"
        )


def _share(settings: Settings) -> Settings:
    """Return the limits of one HTTP worker: its part of those of the whole server."""
    count = settings.http_workers
    # Room for the largest request at least, or such a request would always be refused.
    largest = min(settings.max_inflight_bytes, settings.max_request_bytes)
    return settings.model_copy(
        update={
            "max_inflight_bytes": max(settings.max_inflight_bytes // count, largest),
            "decode_threads": max(1, settings.decode_threads // count),
        }
    )


def _end(processes: Sequence[BaseProcess], seconds: float, signals: int) -> None:
    """Let processes finish; kill those that take longer than `seconds`, or at another signal."""
    with suppress(BlockingIOError):
        os.read(signals, 1024)  # signals that have arrived until now are those that got us here
    for process in processes:
        process.terminate()
    last = monotonic() + seconds
    while left := [process.sentinel for process in processes if process.exitcode is None]:
        ready = wait([signals, *left], max(0.0, last - monotonic()))
        if not ready or signals in ready:
            logger.error("%d processes that have not ended yet are killed", len(left))
            for process in processes:
                process.kill()
            break  # a signal that has not been read would end every further wait at once
    for process in processes:
        process.join()


def _cause(process: BaseProcess) -> str:
    """Return how a process has ended."""
    process.join()
    code = process.exitcode or 0
    return f"by signal {-code}" if code < 0 else f"with status {code}"
