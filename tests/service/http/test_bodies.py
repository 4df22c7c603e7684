"""Reading a large body leaves the event loop to other requests."""

import asyncio
import gzip
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from facet_vision.service.http.bodies import LARGE_BYTES, read_bytes
from facet_vision.service.http.middleware.encodings import PART_BYTES, DecodedBodies

pytestmark = pytest.mark.anyio
PARTS = 64


async def turns_during(work: Callable[[], object]) -> int:
    """How often another task had its turn while `work` was done."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await asyncio.sleep(0)
    before = turns
    await work()  # type: ignore[misc]
    counting.cancel()
    return turns - before


def request_of(messages: list[Message], **headers: str) -> tuple[Scope, Receive]:
    """A request whose whole body has arrived already."""
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": raw}, receive


async def test_others_have_their_turn_while_a_body_is_decoded() -> None:
    encoded = gzip.compress(bytes(PARTS * PART_BYTES))
    scope, receive = request_of(
        [{"type": "http.request", "body": encoded, "more_body": False}], content_encoding="gzip"
    )
    sizes: list[int] = []

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        more = True
        while more:
            message = await receive()
            sizes.append(len(message["body"]))
            more = message["more_body"]

    async def send(message: Message) -> None:
        raise AssertionError(message)

    middleware = DecodedBodies(app, lambda _: None)
    turns = await turns_during(lambda: middleware(scope, receive, send))
    assert sum(sizes) == PARTS * PART_BYTES
    assert turns >= PARTS // 2


@pytest.mark.parametrize(("size", "yields"), [(LARGE_BYTES + 1, True), (LARGE_BYTES, False)])
async def test_others_have_their_turn_while_a_large_body_is_put_together(
    size: int, yields: bool
) -> None:
    half = size // 2
    parts = [bytes(half), bytes(size - half)]
    scope, receive = request_of(
        [{"type": "http.request", "body": part, "more_body": part is parts[0]} for part in parts]
    )
    bodies: list[bytes] = []

    async def read() -> None:
        bodies.append(await read_bytes(Request(scope, receive), size, "bytes", 10.0))

    assert (await turns_during(read) > 0) == yields
    assert bodies == [bytes(size)]
