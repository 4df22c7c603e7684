"""Threads that attack a server while another process measures it."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import sleep

from .kinds import Parts

ANSWER_SECONDS = 20.0
TRICKLE_SECONDS = 1.0
"""From one byte of a slow connection to the next."""

NONE = "none"
"""Stands for an answer where the connection ended without one."""

PEEK_BYTES = 64
READ_BYTES = 1 << 20

Address = tuple[str, int]


@contextmanager
def attacking(address: Address, parts: Callable[[], Parts]) -> Iterator[Counter[str]]:
    """Attack on one connection at a time until the block ends.

    Yields:
        How many of the connections were answered with each status.
    """
    statuses: Counter[str] = Counter()
    with _running(lambda stopped: _attack(address, parts, statuses, stopped)):
        yield statuses


@contextmanager
def trickling(address: Address, count: int, heads: Sequence[bytes]) -> Iterator[None]:
    """Hold connections of which each sends a head and then a byte now and then.

    One that the server ends is opened again.
    """
    with _running(lambda stopped: _trickle(address, count, heads, stopped)):
        yield


@contextmanager
def _running(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stopped = threading.Event()
    thread = threading.Thread(target=work, args=(stopped,))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _attack(
    address: Address, parts: Callable[[], Parts], statuses: Counter[str], stopped: threading.Event
) -> None:
    while not stopped.is_set():
        status = NONE
        with suppress(OSError), socket.create_connection(address, ANSWER_SECONDS) as connection:
            # Refused in the middle, it still reads the answer.
            with suppress(OSError):
                for part in parts():
                    connection.sendall(part)
                    if stopped.is_set():
                        break
            answer = connection.recv(PEEK_BYTES)
            status = answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/1.1 ") else NONE
            while not stopped.is_set() and connection.recv(READ_BYTES):
                pass
        statuses[status] += 1


def _trickle(
    address: Address, count: int, heads: Sequence[bytes], stopped: threading.Event
) -> None:
    held: list[socket.socket | None] = [None] * count
    while not stopped.is_set():
        for index in range(count):
            held[index] = _nudged(held[index], address, heads[index % len(heads)])
            # A thousand bytes at once would be a burst, which slow clients are not.
            sleep(TRICKLE_SECONDS / count)
            if stopped.is_set():
                break
    for connection in held:
        if connection is not None:
            connection.close()


def _nudged(
    connection: socket.socket | None, address: Address, head: bytes
) -> socket.socket | None:
    """Send a byte; return the connection, a new one in its place, or none if that fails."""
    if connection is not None:
        try:
            connection.sendall(b"a")
            return connection
        except OSError:
            connection.close()
    with suppress(OSError):
        connection = socket.create_connection(address, ANSWER_SECONDS)
        connection.sendall(head)
        return connection
    return None
