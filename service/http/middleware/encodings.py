"""Compressed request bodies, decoded within the limits that hold for plain ones."""

import asyncio
import zlib
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.prompts_store.errors import shown
from facet_vision.service.errors import BadRequest, UnsupportedEncoding
from facet_vision.service.http.problems import refusal

PART_BYTES = 256 * 1024
"""Decoded bytes that are passed on at once; so limits are checked before there are many more."""

SHORT_BYTES = 1024
"""Up to so many encoded bytes, which are a megabyte at most, are decoded without a thread."""

_GZIP, _ZLIB = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
WINDOW_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
"""What zlib calls the encodings of RFC 9110, section 8.4.1."""


class DecodedBodies:
    """Middleware that passes compressed bodies on as plain ones of unknown length.

    Args:
        app: gets them.
        count_rejection: is called with the reason of each refusal.
    """

    def __init__(self, app: ASGIApp, count_rejection: Callable[[str], None]) -> None:
        self._app = app
        self._count_rejection = count_rejection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encoding = _encoding(scope) if scope["type"] == "http" else ""
        if encoding in ("", "identity"):
            await self._app(scope, receive, send)
        elif encoding in WINDOW_BITS:
            # In place: the metrics find the route in this scope.
            scope["headers"] = _plain(scope["headers"])
            await self._app(scope, _Decoded(receive, WINDOW_BITS[encoding]).receive, send)
        else:
            error = UnsupportedEncoding(
                f"Content-Encoding: expected gzip, deflate or none, found {shown(encoding)}"
            )
            response = refusal(error, Request(scope), self._count_rejection)
            await response(scope, receive, send)


class _Decoded:
    """A body that is decoded as it arrives."""

    def __init__(self, receive: Receive, window_bits: int) -> None:
        self._receive = receive
        self._decoder = zlib.decompressobj(window_bits)
        self._rest = b""  # encoded bytes that have arrived
        self._ended = False  # whether those are the last

    async def receive(self) -> Message:
        """Return a part of the decoded body.

        Raises:
            BadRequest: the bytes are not of that encoding, end early or do not end.
        """
        while not (self._rest or self._ended):
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._rest = message.get("body", b"")
            self._ended = not message.get("more_body", False)
        if self._ended and not self._rest and self._decoder.eof:
            # The body is complete: what follows is the end of the connection.
            return await self._receive()
        short = len(self._rest) <= SHORT_BYTES
        body = self._decode() if short else await asyncio.to_thread(self._decode)
        more = bool(self._rest) or not self._ended
        if not more and not self._decoder.eof:
            raise BadRequest("body: expected the end of its Content-Encoding, found none")
        return {"type": "http.request", "body": body, "more_body": more}

    def _decode(self) -> bytes:
        try:
            body = self._decoder.decompress(self._rest, PART_BYTES)
        except zlib.error as error:
            raise BadRequest(f"body: expected its Content-Encoding, found: {error}") from None
        if self._decoder.unused_data:
            raise BadRequest("body: expected nothing after its encoded bytes, found more")
        self._rest = self._decoder.unconsumed_tail
        return body


def _encoding(scope: Scope) -> str:
    return ", ".join(Headers(scope=scope).getlist("content-encoding")).strip().lower()


def _plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers without what they say of the encoded body."""
    about = (b"content-encoding", b"content-length", b"transfer-encoding")
    kept = [(name, value) for name, value in headers if name not in about]
    return [*kept, (b"transfer-encoding", b"chunked")]
