"""Traces: every stage of a predict call has its span, under that of the client."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from time import time_ns

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.service.settings import Settings, SettingsError
from facet_vision.service.telemetry.traces import NoTracing, Trace
from facet_vision.service.tracing import tracing_of
from tests.service.support.app import PNG, ask, png, small_backbone, task_file, upload
from tests.service.support.processes import small_server

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from facet_vision.service.telemetry.otel import OpenTelemetry

PARENT = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01")
STAGES = {"decode", "queue", "engine", "head"}
PREDICT = "POST /v1/tasks/{task}/predict"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(
    serve: Callable[..., TestClient], small: Backbone, spans: InMemorySpanExporter, ratio: float
) -> TestClient:
    client = serve(tracing=OpenTelemetry(ratio, "0", SimpleSpanProcessor(spans)))
    unsampled = PARENT._replace(flags="00").header
    file = task_file(small, "pets").to_bytes()
    headers = {"Content-Type": "application/octet-stream", "traceparent": unsampled}
    answer = client.post("/v1/tasks/pets/versions", content=file, headers=headers)
    assert answer.status_code == 201
    assert not spans.get_finished_spans()  # what the client does not trace is not recorded
    return client


def test_a_predict_call_has_its_stages(
    serve: Callable[..., TestClient], small: Backbone, spans: InMemorySpanExporter
) -> None:
    client = traced(serve, small, spans, 0.0)
    begun = time_ns()
    answer = client.post(
        "/v1/tasks/pets/predict", content=png(), headers=PNG | {"traceparent": PARENT.header}
    )
    ended = time_ns()
    assert answer.status_code == 200
    found: dict[str, ReadableSpan] = {span.name: span for span in spans.get_finished_spans()}
    assert set(found) == STAGES | {PREDICT}
    request = found.pop(PREDICT)
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT.span
    assert {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()} == {
        PARENT.trace
    }
    assert answer.headers["traceparent"].split("-")[2] == f"{request.context.span_id:016x}"
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["facet.tasks"] == "pets"
    order = [found[name] for name in ("decode", "queue", "engine", "head")]
    assert {span.parent.span_id for span in order if span.parent} == {request.context.span_id}
    times = [time for span in order for time in (span.start_time or 0, span.end_time or 0)]
    slack = 2_000_000  # two clocks
    assert begun - slack <= times[0]
    assert times[-1] <= ended + slack
    assert all(before <= after + slack for before, after in pairwise(times))


@pytest.mark.parametrize(("ratio", "recorded"), [(1.0, 5), (0.0, 0)])
def test_without_a_client_s_trace_the_ratio_decides(
    serve: Callable[..., TestClient],
    small: Backbone,
    spans: InMemorySpanExporter,
    ratio: float,
    recorded: int,
) -> None:
    client = traced(serve, small, spans, ratio)
    answer = ask(client, "pets")
    assert len(spans.get_finished_spans()) == recorded
    trace = Trace.parse(answer.headers["traceparent"])
    assert trace is not None
    assert trace.sampled == bool(recorded)
    assert answer.headers["x-request-id"] == trace.trace


def test_a_failed_request_is_marked(
    serve: Callable[..., TestClient], small: Backbone, spans: InMemorySpanExporter
) -> None:
    client = traced(serve, small, spans, 1.0)
    client.portal.call(client.app.state.components.batcher.drain)  # type: ignore[union-attr, attr-defined]
    assert ask(client, "pets").status_code == 503
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok


def test_measurements_lead_to_their_traces(
    serve: Callable[..., TestClient], small: Backbone, spans: InMemorySpanExporter
) -> None:
    client = traced(serve, small, spans, 0.0)
    headers = PNG | {"traceparent": PARENT.header}
    assert client.post("/v1/tasks/pets/predict", content=png(), headers=headers).is_success
    assert ask(client, "pets").status_code == 200  # not recorded, so nothing leads to it
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    text = client.get("/metrics", headers=accept).text
    led = {line.partition("{")[0] for line in text.splitlines() if PARENT.trace in line}
    assert led == {
        f"facet_{name}_seconds_bucket" for name in ("request", "decode", "queue", "forward", "head")
    }


@pytest.fixture
def collector() -> Iterator[tuple[str, "Future[list[object]]"]]:
    """A collector's URL, and all spans of the first three exports."""
    spans: list[object] = []
    done: Future[list[object]] = Future()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest()
            request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            if len(spans) >= 5 and not done.done():
                done.set_result(spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", done
        server.shutdown()
        thread.join()


def test_with_http_workers_both_processes_add_to_one_trace(
    tmp_path: Path, collector: tuple[str, "Future[list[object]]"]
) -> None:
    endpoint, exported = collector
    options = {"trace_endpoint": endpoint, "trace_ratio": 0.0, "http_workers": 1}
    with small_server(tmp_path, **options) as server:
        with server.client() as client:
            assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
            headers = PNG | {"traceparent": PARENT.header}
            answer = client.post("/v1/tasks/pets/predict", content=png(), headers=headers)
            assert answer.status_code == 200
        assert server.stop() == 0  # which exports what has not been exported yet
    spans = {span.name: span for span in exported.result(5)}  # type: ignore[attr-defined]
    assert set(spans) == STAGES | {PREDICT}
    assert {span.trace_id.hex() for span in spans.values()} == {PARENT.trace}
    request = spans.pop(PREDICT)
    assert request.parent_span_id.hex() == PARENT.span
    assert {span.parent_span_id for span in spans.values()} == {request.span_id}


def test_without_an_endpoint_nothing_of_opentelemetry_is_needed() -> None:
    assert isinstance(tracing_of(Settings()), NoTracing)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "facet_vision.service.telemetry.otel", None)
    with pytest.raises(SettingsError, match=r"trace_endpoint: .*facet-vision\[otel\]"):
        tracing_of(Settings(trace_endpoint="http://127.0.0.1:1/v1/traces"))
