"""All that wait are accepted at once, and none any more once that is stopped."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import pytest

from facet_vision.service.http.server.accepting import MOST_PER_ROUND, Accepting

pytestmark = pytest.mark.anyio


class Greeting(asyncio.Protocol):
    """Says hello and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as found:
        found.setblocking(False)
        yield found


def waiting(listener: socket.socket, count: int) -> list[socket.socket]:
    """Clients in the queue of the listener."""
    return [socket.create_connection(listener.getsockname(), 5) for _ in range(count)]


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


def greeted(clients: list[socket.socket]) -> int:
    count = 0
    for client in clients:
        client.setblocking(False)
        with suppress(BlockingIOError):
            count += client.recv(9) == b"hello"
        client.close()
    return count


async def test_all_that_wait_are_accepted_in_one_round(listener: socket.socket) -> None:
    clients = waiting(listener, MOST_PER_ROUND)
    accepting = Accepting([listener], Greeting, None)
    await rounds(3)  # one accepts, two make the protocols
    accepting.stop()
    assert greeted(clients) == MOST_PER_ROUND


async def test_those_beyond_wait_for_the_next_round(listener: socket.socket) -> None:
    clients = waiting(listener, MOST_PER_ROUND + 30)
    accepting = Accepting([listener], Greeting, None)
    await rounds(6)
    accepting.stop()
    assert greeted(clients) == MOST_PER_ROUND + 30


async def test_it_stops(listener: socket.socket) -> None:
    Accepting([listener], Greeting, None).stop()
    clients = waiting(listener, 1)
    await rounds(5)
    assert greeted(clients) == 0


async def test_a_client_that_leaves_in_a_handshake_costs_nothing(
    listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    accepting = Accepting([listener], Greeting, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    for client in waiting(listener, 3):
        client.sendall(b"no handshake")
        client.close()
    await rounds(20)
    accepting.stop()
    assert not caplog.records
