"""A real server with HTTP workers.

It answers as a single process does, and loses little when one of its processes dies.
"""

import gzip
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.service.support.app import (
    DEPTH,
    PNG,
    ask,
    assert_problem,
    metrics,
    numbered,
    png,
    small_backbone,
    task_file,
    upload,
)
from tests.service.support.processes import SMALL_SERVER, Server, command, environment, small_server

COUNT = 2
PREDICTED = 'facet_requests_total{method="POST",route="/v1/tasks/{task}/predict",status="200"}'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with small_server(tmp_path, http_workers=COUNT, queue_limit=8, max_images=16) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        assert upload(client, task_file(small_backbone(), "pets", layers=DEPTH)).status_code == 201
        yield client


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, "it never held"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def parts(server: Server) -> tuple[int, list[int]]:
    """The engine's process, which is started first, and the HTTP workers."""
    engine, *http_workers = sorted(children(server.process.pid))
    return engine, http_workers


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def numbers(result: dict[str, Any]) -> dict[str, float]:
    """Probability or score of each label, best first."""
    return {
        each["label"]: each.get("probability", each.get("score")) for each in result["predictions"]
    }


def without_predictions(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "predictions"}


def test_answers_are_those_of_one_process(client: httpx.Client, tmp_path: Path) -> None:
    """Except for the last digits: the two engines may sum in another order."""
    file = task_file(small_backbone(), "pets", layers=DEPTH)
    form = {
        "files": [("file", (f"{seed}.png", png(seed))) for seed in range(3)],
        "data": {"tasks": "pets,raw"},
    }
    found = []
    with small_server(tmp_path / "alone") as alone, alone.client() as other:
        assert upload(other, file).status_code == 201
        raw = task_file(small_backbone(), "raw", activation="none")
        for asked in (client, other):
            assert upload(asked, raw).status_code == 201
            results = ask(asked, "pets", png(1), top_k=1).json()["results"]
            results += asked.post("/v1/predict", **form).json()["results"]  # type: ignore[arg-type]
            assert all(result.pop("timings")["forward"] > 0 for result in results)
            found.append(results)
    assert len(found[0]) == len(found[1]) == 7
    for of_workers, of_one_process in zip(*found, strict=True):
        ranked = numbers(of_workers)
        assert ranked == pytest.approx(numbers(of_one_process), rel=1e-5)
        assert list(ranked) == list(numbers(of_one_process))
        assert without_predictions(of_workers) == without_predictions(of_one_process)


def test_every_other_call_is_passed_on(client: httpx.Client) -> None:
    data = numbered(small_backbone(), "counter", 5)
    made = upload(client, data)
    assert made.json()["version"] == 1
    assert made.headers["location"] == "/v1/tasks/counter/versions/1"
    assert upload(client, numbered(small_backbone(), "counter", 6)).json()["version"] == 2
    assert ask(client, "counter", top_k=1).json()["results"][0]["predictions"][0]["label"] == "v6"
    activated = client.put("/v1/tasks/counter/live", json={"version": 1})
    assert activated.json() == {"task": "counter", "version": 1}
    assert ask(client, "counter", top_k=1).json()["results"][0]["predictions"][0]["label"] == "v5"
    loaded = client.get("/v1/tasks/counter/versions/1")
    assert loaded.content == data
    again = client.get(loaded.request.url, headers={"If-None-Match": loaded.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/v1/tasks", params={"limit": 1}).json()["next"] == "counter"
    assert client.get("/v1/tasks/counter").json()["history"][0]["by"] == "http:127.0.0.1"
    assert "/v1/predict" in client.get("/openapi.json").json()["paths"]
    assert client.delete("/v1/tasks/counter").status_code == 204
    assert client.head("/readyz").status_code == 200
    assert len(client.get("/readyz").headers.get_list("date")) == 1


def test_a_task_may_be_named_predict(client: httpx.Client) -> None:
    assert upload(client, task_file(small_backbone(), "predict")).status_code == 201
    assert ask(client, "predict").status_code == 200
    assert client.get("/v1/tasks/predict").json()["live"] == 1
    assert client.delete("/v1/tasks/predict").status_code == 204


@pytest.mark.parametrize("http_workers", [0, 1])
@pytest.mark.parametrize(
    ("trusted", "named"),
    [("", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("127.0.0.1", "192.0.2.7")],
)
def test_only_a_proxy_that_is_trusted_names_the_client(
    tmp_path: Path, http_workers: int, trusted: str, named: str
) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Forwarded-For": "192.0.2.7"}
    data = task_file(small_backbone(), "mine").to_bytes()
    options = {"http_workers": http_workers, "forwarded_allow_ips": trusted}
    with small_server(tmp_path, **options) as server, server.client() as client:
        made = client.post("/v1/tasks/mine/versions", content=data, headers=headers)
        assert made.status_code == 201
        assert client.get("/v1/tasks/mine").json()["history"][0]["by"] == f"http:{named}"


def test_an_id_and_an_encoded_body_reach_the_engines_process(client: httpx.Client) -> None:
    for path in ("/v1/tasks/pets/predict", "/v1/tasks/pets", "/v1/tasks/none"):
        method = "POST" if path.endswith("predict") else "GET"
        answer = client.request(method, path, headers={"X-Request-ID": "order-17"})
        assert answer.headers.get_list("x-request-id") == ["order-17"]
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    packed = gzip.compress(task_file(small_backbone(), "more").to_bytes())
    assert (
        client.post("/v1/tasks/more/versions", content=packed, headers=headers).status_code == 201
    )
    image = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    answer = client.post("/v1/tasks/pets/predict", content=gzip.compress(png()), headers=image)
    assert answer.status_code == 200
    assert client.head("/v1/tasks/pets").headers["content-length"] != "0"
    refused = client.request("DELETE", "/livez")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_behind_a_prefix(tmp_path: Path) -> None:
    options = {"http_workers": 1, "root_path": "/vision"}
    with small_server(tmp_path, **options) as server, server.client() as client:
        made = upload(client, task_file(small_backbone(), "pets"))
        assert made.headers["location"] == "/vision/v1/tasks/pets/versions/1"
        for prefix in ("", "/vision"):
            url = f"{prefix}/v1/tasks/pets"
            assert client.get(url).status_code == 200
            assert client.post(f"{url}/predict", content=png(), headers=PNG).status_code == 200


def test_refusals_are_the_same_sentences(client: httpx.Client) -> None:
    assert_problem(ask(client, "nobody"), 404, "'nobody'")
    assert_problem(ask(client, "*"), 404, "'*'")  # it means every task in a form only
    assert_problem(ask(client, "pets", b"no image"), 422, "expected one of JPEG")
    assert_problem(ask(client, "pets", top_k=0), 422, "top_k")
    assert_problem(client.get("/v1/tasks/pets/predict"), 405, "GET")
    assert_problem(client.get("/nowhere"), 404, "/nowhere")
    foreign = {"Content-Type": "a/b"}
    assert_problem(client.post("/v1/tasks/pets/predict", content=b"x", headers=foreign), 415, "a/b")
    too_many = [("file", ("a.png", png()))] * 9
    assert_problem(client.post("/v1/tasks/pets/predict", files=too_many), 413, "8 images x tasks")
    assert_problem(
        client.post("/v1/tasks/pets/versions", content=b"rubbish", headers=PNG), 415, "octet-stream"
    )
    assert_problem(upload(client, b"rubbish", "pets"), 422)
    assert ask(client, "pets").status_code == 200


def test_metrics_are_those_of_all_processes(client: httpx.Client, server: Server) -> None:
    for seed in range(12):
        with server.client() as another:  # connections are spread over the HTTP workers
            assert ask(another, "pets", png(seed)).status_code == 200
    counted = metrics(client)
    assert counted[PREDICTED] == 12
    assert counted["facet_decode_seconds_count"] == 12
    assert counted['facet_images_total{task="pets"}'] == 12
    assert counted["facet_http_workers"] == COUNT
    assert counted["facet_event_loop_lag_seconds_count"] > 0


def test_a_request_whose_client_has_left_is_not_computed(tmp_path: Path) -> None:
    with (
        small_server(tmp_path, http_workers=1, forward_seconds=1.0) as server,
        server.client() as client,
    ):
        assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
        with ThreadPoolExecutor() as pool:
            first = pool.submit(ask, client, "pets")
            eventually(lambda: metrics(client)["facet_admitted_rows"] == 1)
            with pytest.raises(httpx.ReadTimeout), server.client() as hasty:
                hasty.post("/v1/tasks/pets/predict", content=png(), headers=PNG, timeout=0.2)
            eventually(lambda: metrics(client)["facet_admitted_rows"] <= 1)
            assert first.result().status_code == 200
        assert_problem(ask(client, "pets", timeout_ms=100), 504, "deadline")
        eventually(lambda: metrics(client)["facet_admitted_rows"] == 0)
        # one for the upload, one for the first request, and at most one for the last
        assert metrics(client)["facet_batch_rows_sum"] <= 3


def test_a_worker_that_dies_is_replaced_and_no_count_is_lost(
    client: httpx.Client, server: Server
) -> None:
    assert ask(client, "pets").status_code == 200
    before = metrics(client)[PREDICTED]
    _, http_workers = parts(server)
    for pid in http_workers:
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: pid not in children(server.process.pid))  # type: ignore[misc]
        eventually(lambda: len(parts(server)[1]) == COUNT)
    eventually(lambda: answers(server) == {200})
    with server.client() as another:
        eventually(lambda: metrics(another)["facet_http_workers"] == COUNT)
        assert metrics(another)[PREDICTED] >= before
        assert server.stop() == 0


def answers(server: Server) -> set[int]:
    """The statuses of some new connections; 0 is none."""
    statuses = set()
    for _ in range(8):
        try:
            with server.client() as client:
                statuses.add(ask(client, "pets").status_code)
        except httpx.TransportError:
            statuses.add(0)
    return statuses


@pytest.mark.parametrize("which", ["engine", "supervisor"])
def test_without_engine_or_supervisor_everything_ends(
    client: httpx.Client, server: Server, which: str
) -> None:
    engine, http_workers = parts(server)
    assert ask(client, "pets").status_code == 200
    os.kill(engine if which == "engine" else server.process.pid, signal.SIGKILL)
    assert server.process.wait(20) == (1 if which == "engine" else -signal.SIGKILL)
    eventually(lambda: not any(map(runs, [engine, *http_workers])))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((server.host, server.port), timeout=5)


def test_an_admitted_request_is_503_when_the_engine_dies(
    client: httpx.Client, server: Server
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(buffer, "PNG")
    parts_ = [("file", ("slow.png", buffer.getvalue()))] * 8
    with ThreadPoolExecutor() as pool, server.client() as another:
        asking = pool.submit(another.post, "/v1/tasks/pets/predict", files=parts_)
        eventually(lambda: metrics(client)["facet_admitted_rows"] == 8)
        os.kill(parts(server)[0], signal.SIGKILL)
        assert_problem(asking.result(), 503, "engine", "gone")
        assert server.process.wait(20) == 1


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with (
        small_server(tmp_path, http_workers=1, forward_seconds=0.0) as server,
        server.connect() as stuck,
    ):
        stuck.sendall(
            b"POST /v1/tasks/pets/predict HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 5000\r\n\r\nx"
        )
        eventually(lambda: len(parts(server)[1]) == 1)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: children(server.process.pid) == [], 5)  # without it, 30 seconds
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("after", [0.0, 0.1, 0.25])
def test_a_signal_while_it_starts_ends_it_soon(tmp_path: Path, after: float) -> None:
    """Also if a child has just been forked."""
    arguments = [sys.executable, "-m", SMALL_SERVER, "0", str(tmp_path)]
    starting = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env=environment(http_workers=COUNT)
    )
    with starting:
        assert starting.stdout is not None
        assert starting.stdout.readline().startswith("pid")
        eventually(lambda: bool(children(starting.pid)))
        time.sleep(after)
        starting.send_signal(signal.SIGTERM)
        assert starting.wait(15) == 0


@pytest.mark.parametrize(("first", "second"), [(0, COUNT), (COUNT, COUNT), (COUNT, 0)])
def test_a_restart_finds_its_port_free(tmp_path: Path, first: int, second: int) -> None:
    with small_server(tmp_path, http_workers=first) as server, server.client() as client:
        assert client.get("/livez").status_code == 200
        port = server.port
        # The server closes the connection, which then lingers in the kernel for a while.
        assert server.stop() == 0
        with (
            command("-m", SMALL_SERVER, str(port), str(tmp_path), http_workers=second) as again,
            again.client() as another,
        ):
            assert another.get("/livez").status_code == 200


def test_a_port_in_use_prevents_a_start(server: Server, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="the process ended"),
        command(
            "-m", SMALL_SERVER, str(server.port), str(tmp_path / "another"), http_workers=COUNT
        ),
    ):
        pass
