"""HTTP connections whose answers leave in one write.

A request may also be refused as soon as its head has been read, before the application sees it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from .uvicorn_internals import HttpToolsProtocol, RequestResponseCycle

Shed = Callable[[bytes, bytes, Sequence[tuple[bytes, bytes]]], bytes | None]
"""From method, target and headers of a request to its whole answer; None to let it pass."""

MAX_PIPELINED_REQUESTS = 64
"""Requests that a client may send before the first of them is answered.

A client that sends more is cut off. Each waiting request takes memory, and a client that never
reads its answers could otherwise make the server hold any number of them.
"""


class CoalescedWrites:
    """A transport that joins two writes into one.

    uvicorn writes head and body of an answer apart, which costs one more system call and packet
    here and one more read at the client. The second write of a pair sends both. A write that stays
    alone, such as `100 Continue`, leaves in the next iteration of the event loop.

    A trivial application that answers 300 bytes serves 1.14 times the requests per second of
    plain uvicorn (median of five rounds in turns, 1.01 to 1.18; uvloop, 8 connections, two cores
    shared with the client and other work). The client reads 1.0 instead of 1.7 times per answer.

    Args:
        transport: carries the bytes; everything but `write` and `close` is passed on to it.
        loop: the event loop that the transport belongs to.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._first: bytes | None = None  # of a pair whose second write has not been made yet

    def write(self, data: bytes) -> None:
        """Send bytes, together with those of the next call if it follows at once."""
        if self._transport.is_closing():
            return
        if self._first is None:
            self._first = data
            self._loop.call_soon(self._flush)
        else:
            first = self._first
            self._first = None
            self._transport.writelines((first, data))

    def close(self) -> None:
        """Send what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        # A call that was scheduled for an earlier pair may send the first half of the next one:
        # that costs one write more, and the order of the bytes stays.
        first = self._first
        self._first = None
        if first is not None and not self._transport.is_closing():
            self._transport.write(first)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over `CoalescedWrites`, with early refusal.

    Its methods are callbacks of the transport and of the parser, all in the event loop. While a
    refused request's body still arrives, `cycle` is `_SHED`; uvicorn then ignores the body.

    Args:
        shed: is called with every request whose head has been read, and may return the whole
            answer. It is not called where requests are logged: the log would miss these.
        arguments, options: those of uvicorn's protocol.
    """

    def __init__(self, *arguments: Any, shed: Shed | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shed = shed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(CoalescedWrites(transport, self.loop))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Parse bytes of requests; this calls the methods below."""
        super().data_received(data)
        if self.cycle is _SHED:
            # The rest of a refused body is waited for no longer than a next request.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_headers_complete(self) -> None:
        """Refuse a request whose head has been read, or start it."""
        # uvicorn cancels the timer once per read. A request that was refused earlier in the same
        # read has set it again.
        self._cancel_keep_alive_timer()
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            self.transport.abort()
        answer = self._shed_answer()
        if answer is None:
            super().on_headers_complete()
        else:
            self.cycle = _SHED
            self.transport.write(answer)

    def on_message_complete(self) -> None:
        """Note that a request has been read to its end."""
        if self.cycle is _SHED:
            self.cycle = None  # type: ignore[assignment]
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _shed_answer(self) -> bytes | None:
        # Answers leave in the order of their requests, so none may be sent past a request that
        # still runs. A client that reads too slowly gets no further answers into its buffer.
        busy = self.cycle is not None and not self.cycle.response_complete
        if self._shed is None or self.access_log or busy or self.flow.write_paused:
            return None
        if self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return None
        return self._shed(self.parser.get_method(), self.url, self.headers)

    def _cancel_keep_alive_timer(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None


class _Shed:
    """The place-holder for uvicorn's request cycle once a request has been refused.

    All connections share one. uvicorn sets `message_event` when a connection ends, and no task
    waits for it.
    """

    response_complete = True
    message_event = asyncio.Event()


_SHED = cast(RequestResponseCycle, _Shed())
