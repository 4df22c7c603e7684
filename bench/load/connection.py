"""One HTTP/1.1 connection: a request at a time, parsed by httptools, which is what uvicorn reads requests with."""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

FAILED = 0
"""In place of a status: the connection broke or the request timed out."""


class Connection(asyncio.Protocol):
    """Sends requests and tells `on_answer` the status of each; after `FAILED` it is closed.

    Args:
        on_answer: called with the connection and the status.
    """

    def __init__(self, on_answer: Callable[["Connection", int], None]) -> None:
        self._on_answer = on_answer
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self.asking = False
        self.closed = False

    def send(self, *parts: bytes) -> None:
        """Ask with a whole request; the answer to the last one must have come."""
        assert self._transport is not None
        self.asking = True
        self._transport.writelines(parts)

    def abort(self) -> None:
        """Close at once; a question without answer counts as failed."""
        if self._transport is not None:
            self._transport.abort()
        self._settle(FAILED)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._settle(FAILED)

    # What httptools calls.

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.closed = True
            assert self._transport is not None
            self._transport.close()
        self._settle(self._parser.get_status_code())

    def _settle(self, status: int) -> None:
        if status == FAILED:
            self.closed = True
        if self.asking:
            self.asking = False
            self._on_answer(self, status)
