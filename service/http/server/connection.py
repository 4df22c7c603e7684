"""HTTP connections: bytes in, requests out, within limits.

A request may be refused as soon as its head has been read, before the application sees it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade

from facet_vision.service.errors import BadRequest, HeadTimeout, ServiceError, TooManyConnections

from .connections import Connections
from .limits import Framing, HttpLimits
from .uvicorn_internals import HttpToolsProtocol, RequestResponseCycle
from .writes import CoalescedWrites

Shed = Callable[[bytes, bytes, Sequence[tuple[bytes, bytes]]], bytes | None]
"""From method, target and headers of a request to its whole answer; None to let it pass."""

Refuse = Callable[[ServiceError], bytes]
"""From an error to the whole answer that ends a connection."""

MAX_PIPELINED_REQUESTS = 64
"""Requests that a client may send before the first of them is answered.

A client that sends more is cut off. Each waiting request takes memory, and a client that never
reads its answers could otherwise make the server hold any number of them.
"""

PART_BYTES = 64 * 1024
"""As many bytes are parsed before they are checked against the limits."""

LINGER_SECONDS = 2.0
"""How long the bytes of a refused client are thrown away, so that it reads the answer: the kernel
discards an answer once bytes arrive at a closed connection.

It also is the pause after which a client that sends nothing else can do so again.
"""

PROBES = (0.0, 0.1, 0.5)
"""Seconds after which a client that has sent its last byte is probed for whether it still reads."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over `CoalescedWrites`, within limits and with early refusal.

    Its methods are callbacks of the transport and of the parser, all in the event loop. While a
    refused request's body still arrives, `cycle` is `_SHED`; uvicorn then ignores the body.

    Args:
        shed: is called with every request whose head has been read, and may return the whole
            answer.
        refuse: makes the answer to what cannot be parsed or is over a limit.
        connections: those of this process.
        limits: of this connection.
        arguments, options: those of uvicorn's protocol.
    """

    def __init__(
        self,
        *arguments: Any,
        refuse: Refuse,
        connections: Connections,
        limits: HttpLimits,
        shed: Shed | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._refuse_with = refuse
        self._shed = shed
        self._all = connections
        self._limits = limits
        self._framing = Framing(limits)
        self._head_timer: asyncio.TimerHandle | None = None
        self._reads_body = False
        self._owed = 0  # requests begun and not yet answered
        self._last: bytes | None = None  # what ends the connection, once nothing else is owed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(CoalescedWrites(transport, self.loop))  # type: ignore[arg-type]
        if self._all.add(self):
            self._expect_head()
        else:
            expected = f"connections: expected at most {self._all.limit}, found one more"
            self.transport.write(self._refuse_with(TooManyConnections(expected)))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell the application if it still works on an answer."""
        self._all.remove(self)
        self._cancel_head_timer()
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Close at once, for a new connection's sake."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse bytes of requests; this calls the `on_…` methods below."""
        if self._last is not None:
            return
        try:
            for part in _parts(data):
                self._framing.receive(len(part))
                self._parse(part)
                self._framing.check()
                if self.transport.is_closing():
                    return
        except ServiceError as error:
            self._refuse(error)
        except HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, ServiceError) else _not_http(error))
        if self.cycle is _SHED:
            # The rest of a refused body is waited for no longer than a next request.
            self._expect_next()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Note that the client sends no more; it gets the answers to what it has sent."""
        last = self.pipeline[0][0] if self.pipeline else self.cycle
        if last is None or last is _SHED or last.response_complete or last.more_body:
            return None  # nothing is owed: the transport closes itself
        if self.scheme == "https":
            return None  # TLS cannot be half closed: such a client has gone
        last.keep_alive = False
        for seconds in PROBES:
            self.loop.call_later(seconds, self._probe)
        return True

    def on_message_begin(self) -> None:
        """Note the first byte of a head."""
        self._cancel_keep_alive_timer()
        if self._head_timer is None:
            self._expect_head()
        self._framing.begin_head()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is counted and thrown away."""
        self._framing.field(len(name) + len(value))
        if self._framing.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse a request whose head has been read, or start it."""
        self._framing.target(len(self.url))
        self._cancel_head_timer()
        self._framing.begin_body()
        self._reads_body = True
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            self.transport.abort()
            # What the parser still holds may be thousands of further requests.
            raise BadRequest(f"requests: expected at most {MAX_PIPELINED_REQUESTS}, found more")
        answer = self._shed_answer()
        if answer is None:
            self._all.work(self)
            self._owed += 1
            super().on_headers_complete()
        else:
            self.cycle = _SHED
            self.transport.write(answer)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._framing.body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request has been read to its end."""
        self._reads_body = False
        if self.cycle is _SHED:
            self.cycle = None  # type: ignore[assignment]
            super().on_response_complete()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one."""
        self._owed -= 1
        if not self.pipeline:
            self._all.wait(self)
        if self._last is not None and not self._owed:
            self._end()
        else:
            super().on_response_complete()

    def _parse(self, part: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(part)
        except HttpParserUpgrade as upgrade:
            # The request asks for another protocol and is answered in this one; so is the next.
            if rest := part[upgrade.args[0] :]:
                self._parse(rest)

    def _shed_answer(self) -> bytes | None:
        # Answers leave in the order of their requests, so none may be sent past a request that
        # still runs. A client that reads too slowly gets no further answers into its buffer.
        if self._shed is None or self._busy() or self.flow.write_paused:
            return None
        if self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return None
        return self._shed(self.parser.get_method(), self.url, self.headers)

    def _busy(self) -> bool:
        return self._owed > 0

    def _refuse(self, error: ServiceError) -> None:
        """End the connection with an answer, after those to the requests before."""
        self._cancel_head_timer()
        self._cancel_keep_alive_timer()
        self._last = self._refuse_with(error)
        if self._reads_body:
            self._abandon()
        if not self._owed:
            self._end()

    def _abandon(self) -> None:
        """Let go of the request whose body is being read: this answer takes the place of its own.

        If its own has begun or is given, the connection just ends.
        """
        cycle = self.cycle
        if cycle.response_complete:
            self.transport.abort()
            return
        self._owed -= 1
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()  # it waits behind others and has not begun
        elif cycle.response_started:
            self.transport.abort()
        else:
            cycle.disconnected = True
            cycle.message_event.set()

    def _end(self) -> None:
        """Answer, throw away what still arrives for a while, and close."""
        assert self._last is not None
        self.transport.write(self._last)
        self.flow.resume_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _probe(self) -> None:
        """Write to a client that sends no more, if it is owed an answer.

        One that has closed its connection looks the same, but its system answers bytes with a reset
        and then the connection is lost. To one that reads, an interim answer means nothing.
        """
        cycle = self.cycle
        if not self._busy() or cycle.response_started or cycle.scope["http_version"] != "1.1":
            return
        if not self.transport.is_closing():
            self.transport.write(CONTINUE)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        seconds = self._limits.head_seconds
        if self.headers is None:  # it has sent nothing
            self.transport.close()
        elif self._busy():  # with an earlier request, and meanwhile nothing is read
            self._expect_head()
        else:
            self._refuse(
                HeadTimeout(f"head: expected its end within {seconds:g} seconds, found none")
            )

    def _expect_next(self) -> None:
        self._cancel_keep_alive_timer()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_keep_alive_timer(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None


def _parts(data: bytes) -> Iterator[bytes | memoryview]:
    if len(data) <= PART_BYTES:
        yield data
    else:
        view = memoryview(data)
        yield from (view[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES))


def _not_http(error: HttpParserError) -> BadRequest:
    return BadRequest(f"request: expected HTTP/1.1, found: {error}")


class _Shed:
    """The place-holder for uvicorn's request cycle once a request has been refused.

    All connections share one. uvicorn sets `message_event` when a connection ends, and no task
    waits for it.
    """

    response_complete = True
    message_event = asyncio.Event()


_SHED = cast(RequestResponseCycle, _Shed())
