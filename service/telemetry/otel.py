"""Traces by OpenTelemetry's SDK, exported over OTLP. Imported only where an endpoint is set."""

import os
from collections.abc import Mapping
from time import perf_counter, time_ns

from opentelemetry import context as contexts
from opentelemetry import trace as api
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from .traces import Span, Stage, Trace, Unrecorded, Value

FLUSH_MILLISECONDS = 5_000
"""Longest time that a shutdown waits for the collector."""

_RECORDED = api.TraceFlags(api.TraceFlags.SAMPLED)


def exporter(endpoint: str) -> SpanExporter:
    """Return what sends spans to a collector, by OTLP over HTTP.

    The variables OTEL_EXPORTER_OTLP_HEADERS, …_TIMEOUT and …_CERTIFICATE count.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint)


class OpenTelemetry:
    """Records spans; see `Tracing`. It has a thread of its own, so it is made after a fork.

    Args:
        ratio: the share of traces that are recorded where the client has not decided it.
        version: of the server.
        processor: takes the spans; by default batches of them go to `endpoint`.
        endpoint: URL of the collector.
    """

    def __init__(
        self,
        ratio: float,
        version: str,
        processor: SpanProcessor | None = None,
        endpoint: str = "",
    ) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", "facet")
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            resource=Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(exporter(endpoint)))
        self._tracer = self._provider.get_tracer("facet", version)

    def begin(self, parent: Trace | None) -> Span:
        """See `Tracing.begin`."""
        within = _context(parent) if parent else contexts.Context()
        span = self._tracer.start_span("HTTP", within, api.SpanKind.SERVER)
        return _Recorded(self._tracer, span) if span.is_recording() else Unrecorded(_place(span))

    def join(self, trace: Trace | None) -> Span:
        """See `Tracing.join`."""
        if trace is None or not trace.sampled:
            return Unrecorded(trace)
        return _Recorded(self._tracer, api.get_current_span(_context(trace)))

    def close(self) -> None:
        """See `Tracing.close`; it gives up after a few seconds."""
        self._provider.force_flush(FLUSH_MILLISECONDS)
        self._provider.shutdown()


class _Recorded:
    """A span that is recorded, and its stages; see `Span`."""

    def __init__(self, tracer: api.Tracer, span: api.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._within = api.set_span_in_context(span, contexts.Context())
        self.trace = _place(span)

    def stage(self, name: Stage, begun: float, ended: float, **attributes: Value) -> None:
        span = self._tracer.start_span(
            name, self._within, attributes=attributes, start_time=_wall(begun)
        )
        span.end(_wall(ended))

    def end(self, name: str, failed: bool, attributes: Mapping[str, Value]) -> None:
        self._span.update_name(name)
        self._span.set_attributes(attributes)
        if failed:
            self._span.set_status(api.StatusCode.ERROR)
        self._span.end()


def _context(trace: Trace) -> contexts.Context:
    flags = _RECORDED if trace.sampled else api.TraceFlags.get_default()
    place = api.SpanContext(
        int(trace.trace, 16), int(trace.span, 16), is_remote=True, trace_flags=flags
    )
    return api.set_span_in_context(api.NonRecordingSpan(place), contexts.Context())


def _place(span: api.Span) -> Trace:
    place = span.get_span_context()
    return Trace(
        api.format_trace_id(place.trace_id),
        api.format_span_id(place.span_id),
        f"{int(place.trace_flags):02x}",
    )


def _wall(seconds: float) -> int:
    """Return a time of `perf_counter` in nanoseconds since 1970."""
    return time_ns() - round((perf_counter() - seconds) * 1e9)
