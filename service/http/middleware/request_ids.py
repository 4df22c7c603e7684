"""Ids by which a request is found again: in its answer, in the log, and in other services' traces.

A client may name its request in `X-Request-ID`, or take part in a trace by `traceparent` (W3C Trace
Context); otherwise the request gets a random id.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any, NamedTuple
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.telemetry.request_log import (
    SHOWN_TASKS,
    Facts,
    current,
    log_request,
    noting,
)
from facet_vision.service.telemetry.traces import NoTracing, Span, Trace, Tracing, current_span

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_NO_TRACING = NoTracing()


class Ids(NamedTuple):
    """Ids of one request.

    Attributes:
        request: the client's id, that of its trace, or a random one.
        span: our part of its trace.
    """

    request: str
    span: Span

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        traced = {"traceparent": self.span.trace.header} if self.span.trace else {}
        return {"x-request-id": self.request} | traced

    @contextmanager
    def known(self) -> Iterator[None]:
        """Let the block, and the tasks that it starts, be of this request."""
        token, span = current.set(self.request), current_span.set(self.span)
        try:
            yield
        finally:
            current.reset(token)
            current_span.reset(span)


def ids_of(headers: Iterable[tuple[bytes, bytes]], tracing: Tracing = _NO_TRACING) -> Ids:
    """Read the ids that a request brings, or make them. An id that is no id is ignored."""
    given = dict(headers)
    named = _REQUEST_ID.fullmatch(given.get(b"x-request-id", b""))
    span = tracing.begin(Trace.parse(given.get(b"traceparent", b"").decode("latin-1")))
    if named:
        return Ids(named[0].decode(), span)
    return Ids(span.trace.trace if span.trace else uuid4().hex, span)


class RequestIds:
    """Middleware that gives every answer the id of its request, and tells of it when it is done.

    The request passes on with that id as its header, so that another process finds the same one.
    Once it is answered its span ends, and the log gets its line.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing = _NO_TRACING) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ids = ids_of(scope["headers"], self._tracing)
        answer = [(name.encode(), value.encode()) for name, value in ids.headers().items()]
        ours = {name for name, _ in answer}
        # Made here, because what is further in may see a copy of the scope.
        done = _Done(scope.setdefault("state", {}), Facts())
        begun = perf_counter()

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                done.status = message["status"]
                headers = [each for each in message.get("headers", ()) if each[0] not in ours]
                message = {**message, "headers": [*headers, *answer]}
            await send(message)

        others = [each for each in scope["headers"] if each[0] not in ours]
        scope["headers"] = [*others, *answer]  # in place: what fails further out finds it too
        with ids.known(), noting(done.facts):
            try:
                await self._app(scope, receive, identified)
            finally:
                done.facts.key = _key_name(done.state)
                tell(ids, scope["method"], done.status, perf_counter() - begun, done.facts)


@dataclass(slots=True)
class _Done:
    """What of a request is known only once it is answered.

    Attributes:
        state: of the request; the middleware of access leaves the caller there.
        status: of the answer; 500 where it never begins.
    """

    state: dict[str, Any]
    facts: Facts
    status: int = 500


def tell(ids: Ids, method: str, status: int, seconds: float, facts: Facts) -> None:
    """End the span of a request that was answered, and write its line to the log."""
    log_request(method, status, seconds, facts)
    ids.span.end(
        f"{method} {facts.route}",
        status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        {
            "http.request.method": method,
            "http.route": facts.route,
            "http.response.status_code": status,
            "facet.request_id": ids.request,
            "facet.images": facts.images,
            "facet.tasks": ",".join(facts.tasks[:SHOWN_TASKS]),
        },
    )


def _key_name(state: Mapping[str, Any]) -> str:
    """Return the name of the key that the request has shown; empty without one."""
    return getattr(state.get("caller"), "name", "")
