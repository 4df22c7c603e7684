"""Calls that a HTTP worker does not answer itself are passed on to the engine's process, streamed both ways."""

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
"""What we say ourselves about the client, and so take from nobody."""

Headers = list[tuple[bytes, bytes]]


class Proxy:
    """An ASGI application that asks another one, which listens at a Unix socket.

    Args:
        path: the socket.
        settings: the limits of bodies.
        count_rejection: told the reason of what is refused here.
    """

    def __init__(
        self, path: Path, settings: Settings, count_rejection: Callable[[str], None]
    ) -> None:
        self._settings, self._count_rejection = settings, count_rejection
        # One connection for each call: these are few, and none is lost because the other end let it go just then.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(path), limits=limits)
        self._client = httpx.AsyncClient(transport=transport, timeout=None)
        self._client.headers.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def close(self) -> None:
        """End all connections."""
        await self._client.aclose()

    async def _answer(self, request: Request) -> Response:
        try:
            return _response(await self._client.send(self._passed_on(request), stream=True))
        except httpx.TransportError:
            error: Exception = EngineGone("engine: expected it to answer, found its process gone")
        except (BadRequest, ClientDisconnect) as refused:
            error = refused
        return refusal(error, request, self._count_rejection)

    def _passed_on(self, request: Request) -> httpx.Request:
        scope = request.scope
        target = scope["raw_path"] + (
            b"?" + scope["query_string"] if scope["query_string"] else b""
        )
        headers = _end_to_end(
            scope["headers"], ours=FORWARDED | {b"expect"}
        )  # the client was told to go on by us
        headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
        if request.client:
            headers.append((b"x-forwarded-for", request.client.host.encode()))
        return self._client.build_request(
            request.method,
            "http://engine",
            headers=headers,
            content=self._bounded(request).stream() if has_body(scope) else None,
            extensions={"target": target},  # as it came, not as a URL would be normalised
        )

    def _bounded(self, request: Request) -> Request:
        # The call's own limit may be lower; the engine's process knows it. But only here a body is seen to stop.
        return bounded(
            request, self._settings.max_task_bytes, "a body", self._settings.idle_body_seconds
        )


def _response(answer: httpx.Response) -> Response:
    response = StreamingResponse(_chunks(answer), answer.status_code)
    response.raw_headers = _end_to_end(
        [(name.lower(), value) for name, value in answer.headers.raw]
    )
    return response


def _end_to_end(headers: Headers, ours: Set[bytes] = frozenset()) -> Headers:
    """Headers without those of the connection, those that it names, and those that we set ourselves."""
    named = {
        part.strip().lower()
        for name, value in headers
        if name == b"connection"
        for part in value.split(b",")
    }
    return [pair for pair in headers if pair[0] not in HOP_BY_HOP | named | ours]


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
