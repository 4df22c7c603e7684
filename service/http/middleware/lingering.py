"""Answers that are given before their request's body has been read."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.http.bodies import announced_bytes, has_body
from facet_vision.service.predictor.wire import SHORT_BODY_BYTES, is_short
from facet_vision.service.settings import MIB

SHORT_BODY_SECONDS = 0.25
"""How long an answer waits for the rest of a short body."""


class LingeringClose:
    """Middleware that delivers an answer even if it is given before its body has been read.

    If a server closes a connection while the client still sends, the client's kernel discards the
    answer. So the answer leaves with `Connection: close`, the rest of the body is read and thrown
    away for a while, and only then the connection ends. A short body is read before the answer,
    and its connection stays open: a server that refuses many requests should not have to shake
    hands with every client again.

    Args:
        app: the application.
        seconds: how long the rest of a body is read at most.
        limit: how many bytes of it are read at most.
    """

    def __init__(self, app: ASGIApp, *, seconds: float = 5.0, limit: int = 64 * MIB) -> None:
        self._app = app
        self._seconds = seconds
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Watched(receive, Headers(scope=scope))

        async def answer(message: MutableMapping[str, Any]) -> None:
            begins = message["type"] == "http.response.start"
            if begins and body.is_short and not body.complete:
                await body.discard(SHORT_BODY_SECONDS, SHORT_BODY_BYTES)
            if body.complete:
                await send(message)
            elif begins:
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                await send({**message, "headers": headers})
            elif message.get("more_body"):
                await send(message)
            else:
                # The last part: the response stays open until the body has been read.
                await send({**message, "more_body": True})
                await body.discard(self._seconds, self._limit)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, body.receive, answer)


class _Watched:
    """A request body that records whether it has arrived in full."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        # Such a client sends its body only once it is asked to, which `receive` does.
        self._held_back = headers.get("expect", "").lower() == "100-continue"
        self.is_short = is_short(announced_bytes(headers))
        self.complete = False

    async def receive(self) -> Message:
        self._held_back = False
        message = await self._receive()
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self, seconds: float, limit: int) -> None:
        """Read and drop the rest, within a limit of seconds and one of bytes."""
        if self._held_back:
            return
        try:
            async with asyncio.timeout(seconds):
                while not self.complete and limit > 0:
                    limit -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
