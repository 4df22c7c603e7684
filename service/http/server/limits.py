"""What one connection may cost before the application sees a request."""

from dataclasses import dataclass
from typing import Self

from facet_vision.service.errors import BadRequest, HeadTooLarge, ServiceError
from facet_vision.service.settings import Settings

FREE_FRAMING_BYTES = 64 * 1024
"""Bytes of chunk sizes, chunk extensions and trailers that a body may have, however short it is.

Beyond these they may be as long as the body itself. The parser reports each chunk apart, so a long
body of which every byte is a chunk, with five bytes of framing, would hold the event loop.
"""


@dataclass(frozen=True)
class HttpLimits:
    """Limits of one connection.

    Attributes:
        head_bytes: of a request's line and headers; also of what frames its body.
        head_fields: headers and trailers of a request.
        head_seconds: from the start of a connection, or the first byte of a later head, to the
            head's end.
    """

    head_bytes: int
    head_fields: int
    head_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits that the settings name."""
        return cls(settings.max_head_bytes, settings.max_head_fields, settings.head_seconds)


class Framing:
    """The bytes of the current message that are not its body.

    Bytes count as they arrive, whether or not the parser has made anything of them yet: it holds an
    unfinished field in memory and reports it only once it is complete.

    Args:
        limits: of the connection.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._received = 0  # bytes of the connection, those being parsed included
        self._begin = 0  # where among them head or body begin; never before the true place
        self._body = 0  # bytes since then that are body
        self._fields = 0
        self._field_bytes = 0
        self.in_head = True

    def receive(self, size: int) -> None:
        """Count bytes that are about to be parsed."""
        self._received += size

    def begin_head(self) -> None:
        """Note that a message begins among them."""
        self._fields = self._field_bytes = 0
        self.in_head = True
        self._begin_part()

    def begin_body(self) -> None:
        """Note that its head is complete."""
        self.in_head = False
        self._begin_part()

    def target(self, size: int) -> None:
        """Count the request's target.

        Raises:
            HeadTooLarge: head and target are too long.
        """
        self._field_bytes += size
        self.check()

    def field(self, size: int) -> None:
        """Count a header or trailer that is complete.

        Raises:
            HeadTooLarge, BadRequest: there are too many, or they are too long.
        """
        self._fields += 1
        self._field_bytes += size
        if self._fields > self._limits.head_fields:
            raise self._fault(f"at most {self._limits.head_fields} fields")
        self.check()

    def body(self, size: int) -> None:
        """Count bytes of the body."""
        self._body += size

    def check(self) -> None:
        """Raise if more has arrived than a message may have beside its body.

        Raises:
            HeadTooLarge, BadRequest: in its head, or in what frames its body.
        """
        limit = self._limits.head_bytes
        allowed = limit if self.in_head else max(limit, FREE_FRAMING_BYTES, self._body)
        beside = self._received - self._begin - self._body
        if beside > allowed or self._field_bytes > limit:
            raise self._fault(f"at most {limit if self._field_bytes > limit else allowed} bytes")

    def _begin_part(self) -> None:
        self._begin = self._received
        self._body = 0

    def _fault(self, expected: str) -> ServiceError:
        if self.in_head:
            return HeadTooLarge(f"head: expected {expected}, found more")
        return BadRequest(f"body: expected chunk extensions and trailers of {expected}, found more")
