"""HTTP connections: answers leave in one write, and a request may be refused as soon as its head has been read.

uvicorn writes head and body apart, which costs a system call and a packet more.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Shed = Callable[[bytes, bytes, Sequence[tuple[bytes, bytes]]], bytes | None]
"""The whole answer to a request of which the head has been read; None if it needs more than that."""


MOST_PIPELINED = 64
"""Requests that a client may send before the first of them is answered; one that sends more is cut off."""


class CoalescedWrites:
    """A transport whose writes leave in pairs; one that stays alone leaves when the event loop comes round.

    Args:
        transport: what carries the bytes; everything but `write` and `close` is its own.
        loop: the event loop that it belongs to.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._first: bytes | None = None

    def write(self, data: bytes) -> None:
        """Send bytes, with those of the next call if that comes soon."""
        if self._transport.is_closing():
            return
        if self._first is None:
            self._first = data
            self._loop.call_soon(self._flush)
        else:
            first, self._first = self._first, None
            self._transport.writelines((first, data))

    def close(self) -> None:
        """Send what is left and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        first, self._first = self._first, None
        if first is not None and not self._transport.is_closing():
            self._transport.write(first)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over `CoalescedWrites`.

    Args:
        shed: is shown the method, the target and the headers of every request, and may answer it there and then.
            Where requests are logged it is not asked.
    """

    def __init__(self, *arguments: Any, shed: Shed | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shed = shed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(CoalescedWrites(transport, self.loop))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Take bytes of requests."""
        super().data_received(data)
        if (
            self.cycle is _SHED
        ):  # the body of a refused request is waited for no longer than a next one
            handler = self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, handler)

    def on_headers_complete(self) -> None:
        """The head of a request has been read."""
        self._unset_keepalive_if_required()  # one that was refused may have ended in the same read
        if len(self.pipeline) >= MOST_PIPELINED:
            self.transport.abort()
        answer = self._shed_answer()
        if answer is None:
            super().on_headers_complete()
        else:
            self.cycle = _SHED  # type: ignore[assignment]
            self.transport.write(answer)

    def on_message_complete(self) -> None:
        """A request has been read."""
        if self.cycle is _SHED:
            self.cycle = None  # type: ignore[assignment]
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _shed_answer(self) -> bytes | None:
        busy = (
            self.cycle is not None and not self.cycle.response_complete
        )  # the other answer must go first
        if self._shed is None or self.access_log or busy or self.flow.write_paused:
            return None
        if self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return None
        return self._shed(self.parser.get_method(), self.url, self.headers)


class _Shed:
    """Stands where uvicorn keeps the exchange under way: one that has been answered already, whose body is ignored."""

    response_complete = True
    message_event = asyncio.Event()  # is set when the connection ends


_SHED = _Shed()
