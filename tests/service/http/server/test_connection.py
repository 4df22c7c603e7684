"""Early refusal leaves the connection usable, and a client that never reads costs little."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn

from facet_vision.service.http.server.connection import MAX_PIPELINED_REQUESTS, HttpProtocol
from facet_vision.service.http.server.connections import Connections
from facet_vision.service.http.server.limits import HttpLimits
from facet_vision.service.http.server.uvicorn_server import freeze_startup_objects
from facet_vision.service.settings import Settings

pytestmark = pytest.mark.anyio


def test_objects_of_the_start_are_exempt_from_garbage_collection() -> None:
    before = gc.get_freeze_count()
    try:
        freeze_startup_objects()
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()


KEEP_ALIVE_SECONDS = 1
SLOW_SECONDS = 1.5
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2007\r\n\r\nrefused" + 2000 * b"."


def request(path: str, *headers: str, version: str = "1.1") -> bytes:
    """A request with a body of three bytes."""
    head = [f"POST {path} HTTP/{version}", "Host: localhost", "Content-Length: 3", *headers]
    return "\r\n".join([*head, "", "abc"]).encode()


FULL, SLOW, QUICK = request("/full"), request("/slow"), request("/quick")


async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_SECONDS)
    body = scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def server(**options: Any) -> AsyncIterator[int]:
    """The port of a server that refuses /full as soon as its head is read."""
    protocol = partial(
        HttpProtocol,
        shed=lambda _, url, __: REFUSED if url == b"/full" else None,
        refuse=lambda error: str(error).encode(),
        connections=Connections(100),
        limits=HttpLimits.of(Settings()),
    )
    given: dict[str, Any] = {
        "http": protocol,
        "access_log": False,
        "log_level": "error",
        "lifespan": "off",
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    }
    running = uvicorn.Server(uvicorn.Config(application, port=0, **(given | options)))
    serving = asyncio.create_task(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    try:
        yield running.servers[0].sockets[0].getsockname()[1]
    finally:
        running.should_exit = running.force_exit = True
        await serving


async def exchange(port: int, parts: Sequence[bytes]) -> bytes:
    """Send bytes part by part; return the answers until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.1)
    found = await asyncio.wait_for(reader.read(), KEEP_ALIVE_SECONDS + SLOW_SECONDS + 5)
    writer.close()
    return found


def outcomes(answers: bytes) -> list[str]:
    """What was answered, in order: "refused", or the path of the request."""
    bodies = re.findall(rb"\r\n\r\n(refused|/full|/slow|/quick)", answers)
    return [body.decode() for body in bodies]


async def test_a_connection_stays_usable_and_ends_in_time_whatever_is_refused_on_it() -> None:
    cases: list[tuple[list[bytes], list[str]]] = [
        ([FULL + FULL], ["refused", "refused"]),
        ([FULL + QUICK + FULL], ["refused", "/quick", "/full"]),
        ([SLOW + FULL], ["/slow", "/full"]),  # answers come in the order of the requests
        ([FULL + SLOW], ["refused", "/slow"]),
        # /slow takes longer than an idle connection stays open
        ([FULL[:-2], b"bc" + SLOW], ["refused", "/slow"]),
        ([FULL[:-2], b"b", b"c" + QUICK], ["refused", "/quick"]),
        ([FULL[:-2]], ["refused"]),  # the rest never arrives
        ([request("/full", "Connection: close")], ["/full"]),
        ([request("/full", version="1.0")], ["/full"]),
    ]
    async with server() as port:
        found = await asyncio.gather(*(exchange(port, parts) for parts, _ in cases))
    assert [outcomes(answers) for answers in found] == [expected for _, expected in cases]


async def flood(port: int, one: bytes) -> int:
    """How often the server takes one request from a client that reads nothing; at most 200,000."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    taken = 0
    with suppress(ConnectionError, TimeoutError):  # cut off, or no longer read from
        while taken < 200_000:
            writer.write(one * 1000)
            await asyncio.wait_for(writer.drain(), 1)
            taken += 1000
    writer.transport.abort()
    return taken


@pytest.mark.parametrize("one", [FULL, QUICK], ids=["refused", "answered"])
async def test_a_client_that_never_reads_takes_no_memory(one: bytes) -> None:
    async with server() as port:
        assert await flood(port, one) < 100_000


async def test_pipelined_requests_up_to_the_limit_are_answered() -> None:
    async with server() as port:
        found = await exchange(port, [QUICK * MAX_PIPELINED_REQUESTS])
    assert outcomes(found) == ["/quick"] * MAX_PIPELINED_REQUESTS
