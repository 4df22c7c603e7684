"""Calls that a front end does not answer itself are passed on to the engine's process, streamed both ways."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.bodies import bounded, has_body
from service.errors import BadRequest, EngineGone
from service.problems import problem_of
from service.settings import Settings

HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
"""Headers that concern one connection only (RFC 9110, section 7.6.1)."""

FORWARDED = {b"x-forwarded-for", b"x-forwarded-proto"}
"""What we say ourselves about the client, and so take from nobody."""


class Proxy:
    """An ASGI application that asks another one, which listens at a Unix socket.

    Args:
        path: the socket.
        settings: the limits of bodies.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self._settings = settings
        # One connection for each call: these are few, and none is lost because the other end let it go just then.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(path), limits=limits)
        self._client = httpx.AsyncClient(transport=transport, timeout=None)
        self._client.headers.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = _response(await self._client.send(self._passed_on(request), stream=True))
        except httpx.TransportError:
            response = problem_of(EngineGone("engine: expected it to answer, found its process gone"), request)
        except BadRequest as error:
            response = problem_of(error, request)
        await response(scope, receive, send)

    async def close(self) -> None:
        """End all connections."""
        await self._client.aclose()

    def _passed_on(self, request: Request) -> httpx.Request:
        scope = request.scope
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [pair for pair in scope["headers"] if pair[0] not in HOP_BY_HOP | FORWARDED]
        headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
        if request.client:
            headers.append((b"x-forwarded-for", request.client.host.encode()))
        return self._client.build_request(
            request.method,
            httpx.URL("http://engine").copy_with(raw_path=target),
            headers=headers,
            content=self._bounded(request).stream() if has_body(scope) else None,
        )

    def _bounded(self, request: Request) -> Request:
        # The call's own limit may be lower; the engine's process knows it. But only here a body is seen to stop.
        return bounded(request, self._settings.max_task_bytes, "a body", self._settings.idle_body_seconds)


def _response(answer: httpx.Response) -> Response:
    response = StreamingResponse(_chunks(answer), answer.status_code)
    response.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower() not in HOP_BY_HOP
    ]
    return response


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
