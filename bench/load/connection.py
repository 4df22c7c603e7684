"""One HTTP/1.1 connection, a request at a time.

Answers are parsed by httptools, the parser that uvicorn uses for requests.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

FAILED = 0
"""Stands for a status: the connection broke or the request timed out."""


class Connection(asyncio.Protocol):
    """Sends requests and reports the status of each to `on_answer`; after `FAILED` it is closed.

    Args:
        on_answer: called with the connection and the status.
    """

    def __init__(self, on_answer: Callable[["Connection", int], None]) -> None:
        self._on_answer = on_answer
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self.awaits_answer = False
        self.closed = False

    def send(self, *parts: bytes) -> None:
        """Send a whole request; the previous one must be answered."""
        assert self._transport is not None
        self.awaits_answer = True
        self._transport.writelines(parts)

    def abort(self) -> None:
        """Close at once; an unanswered request counts as failed."""
        if self._transport is not None:
            self._transport.abort()
        self._settle(FAILED)

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._settle(FAILED)

    # Callback of httptools.

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.closed = True
            assert self._transport is not None
            self._transport.close()
        self._settle(self._parser.get_status_code())

    def _settle(self, status: int) -> None:
        if status == FAILED:
            self.closed = True
        # Once per request: after `abort` the loss of the connection is reported as well.
        if self.awaits_answer:
            self.awaits_answer = False
            self._on_answer(self, status)
