"""Ids by which a request is found again: in its answer, in the log, and in other services' traces.

A client may name its request in `X-Request-ID`, or take part in a trace by `traceparent` (W3C Trace
Context); otherwise the request gets a random id.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.telemetry.request_log import current

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


class Ids(NamedTuple):
    """Ids of one request.

    Attributes:
        request: the client's id, that of its trace, or a random one.
        trace: the `traceparent` to answer with, with a span of our own; empty without a trace.
    """

    request: str
    trace: str

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        traced = {"traceparent": self.trace} if self.trace else {}
        return {"x-request-id": self.request} | traced


def ids_of(headers: Iterable[tuple[bytes, bytes]]) -> Ids:
    """Read the ids that a request brings, or make one. An id that is no id is ignored."""
    given = dict(headers)
    trace = _TRACEPARENT.fullmatch(given.get(b"traceparent", b""))
    named = _REQUEST_ID.fullmatch(given.get(b"x-request-id", b""))
    if trace is None:
        return Ids(named[0].decode() if named else uuid4().hex, "")
    span = uuid4().hex[:16]
    answer = f"00-{trace[1].decode()}-{span}-{trace[2].decode()}"
    return Ids((named[0] if named else trace[1]).decode(), answer)


class RequestIds:
    """Middleware that gives every answer the id of its request.

    The request passes on with that id as its header, so that another process finds the same one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ids = ids_of(scope["headers"])
        answer = [(name.encode(), value.encode()) for name, value in ids.headers().items()]
        ours = {name for name, _ in answer}

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [each for each in message.get("headers", ()) if each[0] not in ours]
                message = {**message, "headers": [*headers, *answer]}
            await send(message)

        others = [each for each in scope["headers"] if each[0] not in ours]
        scope["headers"] = [*others, *answer]  # in place: what fails further out finds it too
        token = current.set(ids.request)
        try:
            await self._app(scope, receive, identified)
        finally:
            current.reset(token)
