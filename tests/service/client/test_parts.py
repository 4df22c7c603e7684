"""What the client sends: files that are read beside the event loop, bodies in one piece."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from facet_vision.service.client.async_client import AsyncClient
from facet_vision.service.client.errors import ClientError


class Server(httpx.AsyncBaseTransport):
    """Refuses every request, and keeps the pieces of its body."""

    def __init__(self) -> None:
        self.pieces: list[list[bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self.pieces.append([piece async for piece in request.stream if piece])
        return httpx.Response(404)


@pytest.mark.parametrize(
    "call",
    [
        lambda client, path: client.predict("pets", path),
        lambda client, path: client.embed("pets", path),
        lambda client, path: client.publish("pets", path),
    ],
    ids=["predict", "embed", "publish"],
)
def test_a_file_that_takes_long_holds_up_nobody(
    tmp_path: Path, call: Callable[[AsyncClient, Path], Awaitable[Any]]
) -> None:
    path, server = tmp_path / "pipe", Server()
    os.mkfifo(path)

    def write(loop: asyncio.AbstractEventLoop) -> bool:
        """Write to who reads, and return whether the loop runs meanwhile."""
        went_round = threading.Event()
        with path.open("wb") as pipe:
            loop.call_soon_threadsafe(went_round.set)
            ran = went_round.wait(5)
            pipe.write(b"slowly read")
        return ran

    async def ask() -> bool:
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(None, write, loop)
        async with AsyncClient("http://server", transport=server) as client:
            with pytest.raises(ClientError, match="404"):
                await call(client, path)
        return await written

    assert asyncio.run(ask())
    assert len(server.pieces) == 1


@pytest.mark.parametrize("task", ["pets", ["pets", "dogs"], "*"])
@pytest.mark.parametrize("images", [[b"a"], [b""], [b"a", ("b.png", b"b")]])
def test_a_body_is_sent_in_one_piece(task: Any, images: Any) -> None:
    server = Server()

    async def ask() -> None:
        async with AsyncClient("http://server", transport=server) as client:
            await client.predict(task, images)

    with pytest.raises(ClientError, match="404"):
        asyncio.run(ask())
    assert [len(pieces) for pieces in server.pieces] == [1]
