"""The budget for all bodies: refusal before reading, counting, release."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from facet_vision.service.errors import BodyTooLarge, Overloaded
from facet_vision.service.http.middleware.body_budget import BodyBudget, BoundedBodies
from tests.service.support.app import (
    ask,
    assert_problem,
    metrics,
    png,
    small_backbone,
    task_file,
    upload,
)

pytestmark = pytest.mark.anyio


class Reader:
    """An application that reads each body to its end, and then waits at a gate."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.chunks = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        while (await receive()).get("more_body"):
            self.chunks += 1
        await self.gate.wait()


def bodies(limit: int) -> tuple[BodyBudget, Reader, BoundedBodies]:
    budget, reader = BodyBudget(limit), Reader()
    return budget, reader, BoundedBodies(reader, budget)


async def post(app: BoundedBodies, chunks: Sequence[bytes], announced: str | None = None) -> None:
    """Pass a request with this body to the application."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = [(b"content-length", announced.encode())] if announced is not None else []
    await app({"type": "http", "headers": headers}, receive, send)


async def test_bodies_count_until_their_requests_end() -> None:
    budget, reader, app = bodies(100)
    first = asyncio.create_task(post(app, [b"x" * 30] * 2))
    second = asyncio.create_task(post(app, [b"x" * 40], "40"))
    await asyncio.sleep(0.01)
    assert budget.held == 100
    with pytest.raises(Overloaded, match="room for 1 bytes, found 0"):
        await post(app, [b"x"])
    assert budget.held == 100
    reader.gate.set()
    await asyncio.gather(first, second)
    assert budget.held == 0
    await post(app, [b"x" * 100])


async def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    budget, reader, app = bodies(100)
    holding = asyncio.create_task(post(app, [b"x" * 60]))
    await asyncio.sleep(0.01)
    chunks = reader.chunks
    with pytest.raises(Overloaded, match="room for 50 bytes, found 40"):
        await post(app, [b"x" * 50], "50")
    with pytest.raises(BodyTooLarge, match="at most 100 bytes, found 101"):
        await post(app, [b"x" * 101], "101")
    assert reader.chunks == chunks
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert budget.held == 0


async def test_an_announcement_takes_no_room() -> None:
    budget, reader, app = bodies(100)
    slow = asyncio.create_task(post(app, [b"x"], "100"))
    await asyncio.sleep(0.01)
    reader.gate.set()
    await post(app, [b"x" * 99], "99")
    await slow
    assert budget.held == 0


async def test_a_body_that_grows_too_large_is_refused_and_released() -> None:
    budget, _, app = bodies(100)
    with pytest.raises(Overloaded):
        await post(app, [b"x" * 60] * 2)
    assert budget.held == 0


def test_over_http_it_is_429_with_retry_after(serve: Callable[..., TestClient]) -> None:
    client = serve(max_inflight_bytes=20_000)
    upload(client, task_file(small_backbone(), "pets"))
    assert_problem(ask(client, "pets", b"x" * 20_001), 413, "20000 bytes, found 20001")
    middlewares = client.app.user_middleware  # type: ignore[attr-defined]
    (budget,) = [added.kwargs["budget"] for added in middlewares if added.cls is BoundedBodies]
    budget.held = 19_000
    assert metrics(client)["facet_body_bytes"] == 19_000
    refused = ask(client, "pets")
    assert_problem(refused, 429, "bodies", f"room for {len(png())} bytes, found 1000")
    assert refused.headers["retry-after"] == "1"
    budget.held = 0
    assert ask(client, "pets").status_code == 200
    assert budget.held == 0
