"""A proxy to the engine's process, streaming in both directions.

It serves the calls that an HTTP worker does not answer itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Set
from pathlib import Path

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from facet_vision.service.errors import BadRequest, EngineGone
from facet_vision.service.http.bodies import bounded, has_body
from facet_vision.service.http.problems import refusal
from facet_vision.service.settings import Settings

HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"proxy-connection",
    b"upgrade",
}
"""Headers that concern one connection only (RFC 9110, section 7.6.1)."""

FORWARDED = {b"x-forwarded-for", b"x-forwarded-proto"}
"""Headers that this proxy sets. The engine's process trusts them, so none may come from a client
(uvicorn has already applied those of a reverse proxy that it trusts)."""

EVENTS = b"text/event-stream"
"""Media type of an answer that has no end of its own."""

Headers = list[tuple[bytes, bytes]]


class Proxy:
    """An ASGI application that passes each call on to another one at a Unix socket.

    Args:
        path: the socket.
        settings: the limits of bodies.
        count_rejection: is called with the reason of each refusal made here.
    """

    def __init__(
        self, path: Path, settings: Settings, count_rejection: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._count_rejection = count_rejection
        # Every call has a connection of its own. These calls are rare, and none can fail because
        # the other end has just closed an idle connection.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(path), limits=limits)
        self._client = httpx.AsyncClient(transport=transport, timeout=None)
        self._client.headers.clear()
        self._endless: set[asyncio.Timeout] = set()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    def drain(self) -> None:
        """End the answers that have no end of their own, and begin no further ones."""
        self._draining = True
        for limit in self._endless:
            limit.reschedule(0)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _answer(self, request: Request) -> Response:
        try:
            answer = await self._client.send(self._forwarded(request), stream=True)
            # The engine's process has recorded it, if it is a change.
            request.scope.setdefault("state", {})["passed_on"] = True
            return self._response(answer)
        except httpx.TransportError:
            error: Exception = EngineGone("engine: expected it to answer, found its process gone")
        except (BadRequest, ClientDisconnect) as refused:
            error = refused
        return refusal(error, request, self._count_rejection)

    def _forwarded(self, request: Request) -> httpx.Request:
        scope = request.scope
        query = scope["query_string"]
        # The target as it arrived, not normalised as a URL would be.
        target = scope["raw_path"] + (b"?" + query if query else b"")
        # Without Expect: this process has already asked the client for its body.
        headers = _end_to_end(scope["headers"], ours=FORWARDED | {b"expect"})
        headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
        if request.client:
            headers.append((b"x-forwarded-for", request.client.host.encode()))
        return self._client.build_request(
            request.method,
            "http://engine",
            headers=headers,
            content=self._bounded(request).stream() if has_body(scope) else None,
            extensions={"target": target},
        )

    def _response(self, answer: httpx.Response) -> Response:
        headers = [(name.lower(), value) for name, value in answer.headers.raw]
        endless = any(name == b"content-type" and EVENTS in value for name, value in headers)
        chunks = self._until_drained(answer) if endless else _chunks(answer)
        response = StreamingResponse(chunks, answer.status_code)
        response.raw_headers = _end_to_end(headers)
        return response

    async def _until_drained(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """Yield the chunks of an answer until it, or this process, is to end."""
        chunks = _chunks(answer)
        while not self._draining:
            try:
                async with asyncio.timeout(None) as limit:
                    self._endless.add(limit)
                    chunk = await anext(chunks)
            except (StopAsyncIteration, TimeoutError):
                return
            finally:
                self._endless.discard(limit)
            yield chunk

    def _bounded(self, request: Request) -> Request:
        # The call's own limit may be lower, and the engine's process applies it. But only this
        # process can see that a client stops sending.
        return bounded(
            request, self._settings.max_task_bytes, "a body", self._settings.idle_body_seconds
        )


def _end_to_end(headers: Headers, ours: Set[bytes] = frozenset()) -> Headers:
    """Return the headers to pass on.

    Left out are those of one connection, those that `Connection` names, and `ours`.
    """
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named.update(part.strip().lower() for part in value.split(b","))
    dropped = HOP_BY_HOP | named | ours
    return [header for header in headers if header[0] not in dropped]


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
