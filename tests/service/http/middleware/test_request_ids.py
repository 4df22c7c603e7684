"""Every answer has the id of its request."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from facet_vision.service.http.middleware.request_ids import ids_of
from facet_vision.service.telemetry.request_log import IdFilter, current

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/v1/tasks/none"])
def test_an_id_that_is_given_comes_back(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"X-Request-ID": "order-17:3"})
    assert answer.headers.get_list("x-request-id") == ["order-17:3"]
    if answer.status_code >= 400:
        assert answer.json()["request_id"] == "order-17:3"


def test_without_one_each_request_gets_another(client: TestClient) -> None:
    first, second = (client.get("/nowhere") for _ in range(2))
    assert len(first.headers["x-request-id"]) == 32
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.json()["request_id"] == first.headers["x-request-id"]


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "<script>", "é", "a\tb"])
def test_what_is_no_id_is_replaced(client: TestClient, bad: str) -> None:
    answer = client.get("/livez", headers={"X-Request-ID": bad.encode()})
    assert len(answer.headers["x-request-id"]) == 32


def test_a_trace_goes_on(client: TestClient) -> None:
    answer = client.get("/livez", headers={"traceparent": TRACE})
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE.split("-")[1], "01")
    assert len(span) == 16
    assert span != TRACE.split("-")[2]
    assert answer.headers["x-request-id"] == trace


@pytest.mark.parametrize(
    "bad", [TRACE[:-1], TRACE.upper(), TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)]
)
def test_what_is_no_trace_is_left_out(client: TestClient, bad: str) -> None:
    assert "traceparent" not in client.get("/livez", headers={"traceparent": bad}).headers


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_is_given_the_id_is_safe_to_log(named: bytes, trace: bytes) -> None:
    ids = ids_of([(b"x-request-id", named), (b"traceparent", trace)])
    assert 0 < len(ids.request) <= 128
    assert ids.request.isprintable()


def test_a_log_line_tells_the_request() -> None:
    record = logging.LogRecord("facet", logging.ERROR, "", 0, "lost %d", (3,), None)
    token = current.set("a%d")
    try:
        assert IdFilter().filter(record)
    finally:
        current.reset(token)
    assert record.getMessage() == "lost 3 [request a%d]"
