"""Which requests the client sends again, after how long, and when it gives up."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.service.client import exchange
from facet_vision.service.client.errors import ClientError, NoServer
from facet_vision.service.client.exchange import Retries
from tests.service.support.clients import Make, Waits

DONE = {"task": "pets", "version": 1}
SHA = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of b"foo"
PUBLISHED = DONE | {"sha256": SHA, "size": 3, "live": True}


class Script(httpx.MockTransport):
    """A server that does one thing after another, the last one for ever."""

    def __init__(self, *outcomes: httpx.Response | type[httpx.RequestError]) -> None:
        super().__init__(self.answer)
        self.outcomes = list(outcomes)
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        outcome = self.outcomes[min(len(self.requests), len(self.outcomes)) - 1]
        if isinstance(outcome, httpx.Response):
            return outcome
        raise outcome("it broke")


def refused(status: int, after: str | None = None) -> httpx.Response:
    headers = {"X-Request-ID": "r1"} | ({"Retry-After": after} if after else {})
    problem = {"type": "urn:facet:problem:overloaded", "detail": "queue: full"}
    return httpx.Response(status, json=problem, headers=headers)


def live() -> httpx.Response:
    return httpx.Response(200, json=DONE)


def test_retry_after_is_waited_with_jitter_on_top(make: Make, waits: Waits) -> None:
    server = Script(refused(503, "2"), httpx.ConnectError, refused(429, "1"), live())
    assert make("http://server", transport=server).activate("pets", 1).version == 1
    first, second, third = waits
    assert 2 <= first <= 2.1
    assert 0 <= second <= 0.2
    assert 1 <= third <= 1.4
    assert [request.read() for request in server.requests] == [b'{"version":1}'] * 4


def test_waits_are_random_and_grow(make: Make, waits: Waits) -> None:
    client = make("http://server", transport=Script(refused(429)), retries=Retries(times=3))
    for _ in range(40):
        with pytest.raises(ClientError):
            client.task("pets")
    for tried, longest in enumerate((0.1, 0.2, 0.4)):
        found = waits[tried::3]
        assert len(set(found)) > 30
        assert longest / 2 < max(found) <= longest


def test_a_date_is_a_time_to_wait_for_too(make: Make, waits: Waits) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    make("http://server", transport=Script(refused(503, at), live())).activate("pets", 1)
    assert 7 < waits[0] < 10.2


def test_it_gives_up_with_the_last_refusal(make: Make, waits: Waits) -> None:
    server = Script(refused(429, "1"))
    with pytest.raises(ClientError, match="queue: full") as failed:
        make("http://server", transport=server, retries=Retries(times=2)).task("pets")
    error = failed.value
    assert (error.status, error.reason) == (429, "overloaded")
    assert (error.request_id, error.retry_after) == ("r1", 1.0)
    assert (len(server.requests), len(waits)) == (3, 2)


def test_it_waits_no_longer_than_it_may(make: Make, waits: Waits) -> None:
    for named in ({"retries": Retries(most=5)}, {"deadline": 5.0}):
        server = Script(refused(429, "6"), live())
        with pytest.raises(ClientError, match="queue: full"):
            make("http://server", transport=server, **named).activate("pets", 1)
        assert (len(server.requests), waits) == (1, [])


IDEMPOTENT: list[Callable[[Any], Any]] = [
    lambda client: client.activate("pets", 1),
    lambda client: client.publish("pets", b"foo"),
]
OTHERS: list[Callable[[Any], Any]] = [
    lambda client: client.retire("pets"),
    lambda client: client.delete("pets", 1),
]


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("outcome", "again", "others_too"),
    [
        (httpx.ConnectError, True, True),
        (httpx.ConnectTimeout, True, True),
        (httpx.ReadError, True, False),
        (httpx.RemoteProtocolError, True, False),
        (httpx.ReadTimeout, False, False),
        (httpx.UnsupportedProtocol, False, False),
        (partial(refused, 429), True, True),
        (partial(refused, 503, "1"), True, False),
        (partial(refused, 503), False, False),  # of a task that somebody must mend
        (partial(httpx.Response, 503, text="<html>"), True, False),  # of a proxy
        (partial(refused, 500), False, False),
        (partial(refused, 502), False, False),
        (partial(refused, 504), False, False),
        (partial(refused, 404), False, False),
    ],
)
def test_what_is_sent_again(make: Make, outcome: Any, again: bool, others_too: bool) -> None:
    """What is not idempotent only where it is certain that nothing was done."""
    for calls, expected in ((IDEMPOTENT, again), (OTHERS, others_too)):
        for call in calls:
            first = outcome() if isinstance(outcome, partial) else outcome
            server = Script(first, httpx.Response(200, json=PUBLISHED))
            client = make("http://server", transport=server)
            if expected:
                call(client)
            else:
                with pytest.raises(ClientError):
                    call(client)
            assert len(server.requests) == 1 + expected


def test_it_need_not_wait_for_a_server(make: Make) -> None:
    server = Script(httpx.ConnectError)
    with pytest.raises(NoServer, match="found none that answers"):
        make("http://server", transport=server, retries=Retries(connect=False)).task("pets")
    assert len(server.requests) == 1


def test_commands_do_not_wait_for_a_server(waits: Waits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert CliRunner().invoke(app, ["tasks", f"http://127.0.0.1:{port}"]).exit_code == 3
    assert waits == []


def test_the_server_is_told_of_the_deadline(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(exchange, "monotonic", lambda: now[0])
    answer = {"image": 0, "task": "pets", "version": 1, "predictions": []} | {
        "timings": dict.fromkeys(("decode", "queue", "forward", "total"), 0.0)
    }
    server = Script(httpx.Response(200, json={"results": [answer]}))
    client = make("http://server", transport=server, timeout=3, deadline=8)
    whole = server.answer

    def slow(request: httpx.Request) -> httpx.Response:
        now[0] += 6
        return whole(request)

    server.handler = slow
    with pytest.raises(ClientError, match="expected an answer within 8 s") as late:
        client.predict("pets", [b"a", b"b", b"c"], max_images=1)
    assert (late.value.status, late.value.reason) == (None, "deadline-exceeded")
    assert [request.url.params["timeout_ms"] for request in server.requests] == [
        "8000.000",
        "2000.000",
    ]
    timeouts = [request.extensions["timeout"]["read"] for request in server.requests]
    assert timeouts == [3, 2.0]
    assert len(client.predict("pets", [b"a", b"b"], max_images=1, deadline=20)) == 2


def test_a_step_that_takes_all_the_time_left_is_late(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(exchange, "monotonic", lambda: now[0])

    def slow(request: httpx.Request) -> httpx.Response:
        now[0] += request.extensions["timeout"]["read"]
        raise httpx.ReadTimeout("timed out")

    for named, reason in (({"deadline": 1.0}, "deadline-exceeded"), ({}, None)):
        client = make("http://server", transport=httpx.MockTransport(slow), **named)
        with pytest.raises(ClientError) as late:
            client.task("pets")
        assert late.value.reason == reason


def test_a_server_that_stores_other_bytes_is_found_out(make: Make) -> None:
    server = Script(httpx.Response(200, json=PUBLISHED | {"sha256": "0" * 64}))
    with pytest.raises(ClientError, match=f"expected version 1 with the sha256 {SHA}, found 000"):
        make("http://server", transport=server).publish("pets", b"foo")
