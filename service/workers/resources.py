"""What the supervisor holds while its processes run; each is given back at the end of a block."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import NamedTuple

from facet_vision.service.http.server.sockets import (
    bind_another,
    bind_shared,
    path_removed,
)
from facet_vision.service.http.server.uvicorn_server import freeze_startup_objects
from facet_vision.service.settings import Settings

from .processes import SIGNALS


class LifeLine(NamedTuple):
    """A pipe through which child processes notice the supervisor's end.

    No process but the supervisor has the writing end, so the reading end reads as ended once the
    supervisor has ended, by whatever cause.
    """

    reading: int
    writing: int


@contextmanager
def socket_folder() -> Iterator[Path]:
    """Yield a folder for the sockets of the engine's process."""
    # Errors are ignored because the engine's process also removes it.
    with TemporaryDirectory(prefix="facet-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def listening_sockets(settings: Settings) -> Iterator[list[socket]]:
    """Bind one socket for each HTTP worker, all to the same port."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(bind_shared(settings))]
        stack.enter_context(path_removed(settings))
        while len(listeners) < settings.http_workers:
            listeners.append(stack.enter_context(bind_another(settings, listeners[0])))
        yield listeners


@contextmanager
def made_life_line() -> Iterator[LifeLine]:
    """Yield a life line."""
    life_line = LifeLine(*os.pipe())
    try:
        yield life_line
    finally:
        os.close(life_line.reading)
        os.close(life_line.writing)


@contextmanager
def frozen_objects() -> Iterator[None]:
    """Keep the objects that exist now from the garbage collector."""
    # The collector writes into every object it visits, and each page written to is no longer
    # shared with the children.
    freeze_startup_objects()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def signal_descriptor() -> Iterator[int]:
    """Yield a file descriptor that can be read once one of the signals has arrived."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    taken = [sig for sig in SIGNALS if signal.getsignal(sig) is not signal.SIG_IGN]  # nohup's
    handlers = {sig: signal.signal(sig, lambda *_: os.write(writing, b"!")) for sig in taken}
    try:
        yield reading
    finally:
        for sig, handler in handlers.items():
            signal.signal(sig, handler)
        os.close(reading)
        os.close(writing)
