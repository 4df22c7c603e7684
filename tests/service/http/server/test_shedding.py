"""Calls without room are refused once their head is read, as they would be later anyway."""

import http.client
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import pytest

from facet_vision.service.access import Keyring
from facet_vision.service.errors import Overloaded
from facet_vision.service.http.server.shedding import Shedding
from facet_vision.service.telemetry.metrics import Metrics
from facet_vision.service.telemetry.request_log import RequestLine
from tests.service.support.app import PNG, ask, metrics, png, small_backbone, task_file, upload
from tests.service.support.keys import Keys
from tests.service.support.processes import Server, small_server

URL = b"/v1/tasks/pets/predict"
SHORT = [(b"content-length", b"100"), (b"content-type", b"image/png")]


def shedding(refused: bool = True, keys: Keyring | None = None) -> tuple[Shedding, list[str]]:
    asked: list[str] = []

    def refusal(task: str) -> Overloaded | None:
        asked.append(task)
        return Overloaded("queue: expected room for 1 rows, found 0", 2.3) if refused else None

    return Shedding(refusal, Metrics(), keys), asked


def test_the_answer_is_a_whole_response() -> None:
    shed, asked = shedding()
    head, _, body = (shed(b"POST", URL, SHORT) or b"").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 429 Too Many Requests"
    identity = json.loads(body)["request_id"]
    assert set(lines[1:]) == {
        f"x-request-id: {identity}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Retry-After: 3",
    }
    assert json.loads(body) == {
        "type": "urn:facet:problem:overloaded",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "queue: expected room for 1 rows, found 0",
        "instance": "/v1/tasks/pets/predict",
        "request_id": identity,
    }
    assert asked == ["pets"]


def test_who_may_not_ask_the_task_gets_the_answer_of_the_normal_path(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("root")
    keys.add("publisher", "publish")
    keys.add("team", tasks=["team-*"])
    shed, _ = shedding(keys=Keyring(keys.path))

    def answer(text: str) -> bytes | None:
        return shed(b"POST", URL, [*SHORT, (b"authorization", f"Bearer {text}".encode())])

    assert answer(keys.texts["root"]) is not None
    assert shed(b"POST", URL, SHORT) is None
    for text in ("wrong", keys.texts["publisher"], keys.texts["team"]):
        assert answer(text) is None


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        (b"GET", URL, SHORT),
        (b"POST", URL + b"?priority=high", SHORT),
        (b"POST", b"/v1/predict", SHORT),
        (b"POST", b"/v1/tasks/pe%74s/predict", SHORT),
        (b"POST", b"/v1/tasks/pets/versions", SHORT),
        (b"POST", URL, [(b"content-length", b"300000")]),
        (b"POST", URL, [(b"transfer-encoding", b"chunked")]),
        (b"POST", URL, [*SHORT, (b"expect", b"100-continue")]),
    ],
)
def test_every_other_call_takes_the_normal_path(
    method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    shed, asked = shedding()
    assert shed(method, url, headers) is None
    assert asked == []


def test_where_there_is_room_nothing_is_refused() -> None:
    shed, asked = shedding(refused=False)
    assert shed(b"POST", URL, SHORT) is None
    assert asked == ["pets"]


def test_the_log_tells_of_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("facet", "facet.requests"):  # a server in this process would have changed them
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    shed, _ = shedding()
    with caplog.at_level("INFO", "facet.requests"):
        assert shed(b"POST", URL, SHORT)
    (record,) = caplog.records
    assert isinstance(record.msg, RequestLine)
    assert record.msg.fields == {
        "method": "POST",
        "route": "/v1/tasks/{task}/predict",
        "status": 429,
        "seconds": 0.0,
        "tasks": ["pets"],
    }


@pytest.fixture(params=[0, 1], ids=["one process", "HTTP worker"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    limits = {"max_batch": 1, "queue_limit": 5, "http_workers": request.param}
    with small_server(tmp_path, forward_seconds=0.5, **limits) as server, server.client() as client:
        assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
        yield server


def eventually(holds: Callable[[], bool]) -> None:
    last = monotonic() + 10
    while not holds():
        assert monotonic() < last, "it never held"
        sleep(0.01)


def test_a_connection_stays_usable_after_a_refusal(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)

    def answer(path: str) -> tuple[int, str | None, dict[str, object]]:
        connection.request("POST", path, png(), PNG)
        response = connection.getresponse()
        return response.status, response.getheader("retry-after"), json.loads(response.read())

    with server.client() as client, ThreadPoolExecutor(4) as pool:
        before = [pool.submit(ask, client, "pets") for _ in range(4)]
        eventually(lambda: metrics(client)["facet_admitted_rows"] == 4)
        normal, *shed = [answer(f"{URL.decode()}{query}") for query in ("?top_k=1", "", "", "")]
        assert normal[0] == 429
        assert all(each[0] == 429 and each[2].keys() == normal[2].keys() for each in shed)
        assert {each[2]["type"] for each in shed} == {normal[2]["type"]}
        socket = connection.sock
        assert all(each.result().status_code == 200 for each in before)
        eventually(lambda: answer(URL.decode())[0] == 200)
        assert connection.sock is socket  # one connection for all requests
        counted = metrics(client)
        assert counted['facet_rejections_total{reason="overloaded"}'] >= 4
        route = 'route="/v1/tasks/{task}/predict"'
        assert counted[f'facet_requests_total{{method="POST",{route},status="429"}}'] >= 4
    connection.close()


def test_a_client_that_leaves_within_a_refused_body_disturbs_nobody(
    server: Server,
) -> None:
    with server.client() as client, ThreadPoolExecutor(4) as pool:
        before = [pool.submit(ask, client, "pets") for _ in range(4)]
        eventually(lambda: metrics(client)["facet_admitted_rows"] == 4)
        assert ask(client, "pets").status_code == 429
        for _ in range(3):
            with server.connect() as connection:
                connection.sendall(
                    b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nx" % URL
                )
        assert all(each.result().status_code == 200 for each in before)
        eventually(lambda: ask(client, "pets").status_code == 200)


def test_an_unknown_task_is_404_even_when_the_queue_is_full(server: Server) -> None:
    with server.client() as client, ThreadPoolExecutor(4) as pool:
        before = [pool.submit(ask, client, "pets") for _ in range(4)]
        eventually(lambda: metrics(client)["facet_admitted_rows"] == 4)
        statuses = [ask(client, task).status_code for task in ("pets", "pets", "nobody")]
        assert statuses == [429, 429, 404]
        assert all(each.result().status_code == 200 for each in before)
