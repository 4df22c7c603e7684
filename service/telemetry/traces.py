"""Traces: the part of a request in a W3C trace, and the spans that the server adds to it.

Without an exporter a request that brings a `traceparent` goes on under it, and nothing is recorded.
`otel` records and exports spans.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Literal, NamedTuple, Protocol
from uuid import uuid4

Stage = Literal["decode", "queue", "engine", "head"]
"""The stages of a predict call that get spans of their own."""

Value = str | int | float | bool

_TRACEPARENT = re.compile("00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Trace(NamedTuple):
    """A place in a trace.

    Attributes:
        trace: id of the trace, 32 hexadecimal digits.
        span: id of the span, 16 hexadecimal digits.
        flags: two hexadecimal digits; the lowest bit says that the trace is recorded.
    """

    trace: str
    span: str
    flags: str

    @classmethod
    def parse(cls, header: str) -> "Trace | None":
        """Read a `traceparent`; None for what is none."""
        found = _TRACEPARENT.fullmatch(header)
        return cls(*found.groups()) if found else None

    @property
    def header(self) -> str:
        """The `traceparent` that names this place."""
        return f"00-{self.trace}-{self.span}-{self.flags}"

    @property
    def sampled(self) -> bool:
        """Whether the trace is recorded."""
        return int(self.flags, 16) % 2 == 1


class Span(Protocol):
    """One process's part of a request."""

    @property
    def trace(self) -> Trace | None:
        """Its place; None outside of a trace."""
        ...

    def stage(self, name: Stage, begun: float, ended: float, **attributes: Value) -> None:
        """Record a stage of the request, between two times of `time.perf_counter`."""
        ...

    def end(self, name: str, failed: bool, attributes: Mapping[str, Value]) -> None:
        """End it, with what is known of the request only now."""
        ...


class Tracing(Protocol):
    """Makes spans."""

    def begin(self, parent: Trace | None) -> Span:
        """Begin the span of an HTTP request, within the trace of its client if there is one."""
        ...

    def join(self, trace: Trace | None) -> Span:
        """Return the span of a request that another process of this server has begun."""
        ...

    def close(self) -> None:
        """Export what has not been exported yet."""
        ...


class Unrecorded:
    """A span that only has its place in a trace."""

    def __init__(self, trace: Trace | None) -> None:
        self.trace = trace

    def stage(self, name: Stage, begun: float, ended: float, **attributes: Value) -> None:
        """Record nothing."""

    def end(self, name: str, failed: bool, attributes: Mapping[str, Value]) -> None:
        """Record nothing."""


class NoTracing:
    """Passes traces on, and records nothing."""

    def begin(self, parent: Trace | None) -> Span:
        """Begin a span with an id of its own in the client's trace."""
        return Unrecorded(parent and parent._replace(span=uuid4().hex[:16]))

    def join(self, trace: Trace | None) -> Span:
        """Return the other process's place."""
        return Unrecorded(trace)

    def close(self) -> None:
        """Do nothing."""


current_span: ContextVar[Span] = ContextVar("span", default=Unrecorded(None))  # noqa: B039  (it never changes)
"""The span of the request that is being answered.

Tasks that a request starts inherit it, and with HTTP workers its place travels with the request.
"""


def exemplar() -> dict[str, str] | None:
    """Return the label that leads from a measurement to the request's trace, if one is recorded."""
    trace = current_span.get().trace
    return {"trace_id": trace.trace} if trace and trace.sampled else None
