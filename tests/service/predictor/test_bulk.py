"""Large answers are bounded, and leave the event loop to others."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facet_vision.backbone import Backbone
from facet_vision.service.predictor.bulk import BULKY, MAX_ANSWER_LABELS, aside
from tests.service.support.app import ask, assert_problem, png, small_backbone, task_file, upload
from tests.service.support.processes import Server, small_server

LABELS = [f"label {index}" for index in range(20_000)]


@pytest.mark.anyio
@pytest.mark.parametrize(("labels", "here"), [(BULKY - 1, True), (BULKY, False)])
async def test_only_large_answers_take_a_thread(labels: int, here: bool) -> None:
    assert (await aside(labels, threading.get_ident) == threading.get_ident()) is here


@pytest.fixture(scope="module", params=[0, 1], ids=["one process", "HTTP worker"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    store: Path = tmp_path_factory.mktemp("store")
    with small_server(store, http_workers=request.param) as server, server.client() as client:
        small: Backbone = small_backbone()
        assert upload(client, task_file(small, "many", labels=LABELS)).status_code == 201
        assert upload(client, task_file(small, "few")).status_code == 201
        yield server


def test_all_labels_of_a_large_task_can_be_had(server: Server) -> None:
    with server.client() as client:
        document = ask(client, "many", top_k=len(LABELS)).json()
    best = document["results"][0]["predictions"]
    assert sorted(each["label"] for each in best) == sorted(LABELS)
    numbers = [each["probability"] for each in best]
    assert numbers == sorted(numbers, reverse=True)


def test_more_labels_than_an_answer_may_hold_are_refused(server: Server) -> None:
    images = MAX_ANSWER_LABELS // len(LABELS) + 1
    files = [("file", ("a.png", png(), "image/png"))] * images
    with server.client() as client:
        found = client.post("/v1/tasks/many/predict?top_k=100000", files=files)
        assert_problem(found, 400, "top_k", str(MAX_ANSWER_LABELS), str(images * len(LABELS)))
        assert client.post("/v1/tasks/many/predict", files=files).status_code == 200


def test_others_are_answered_meanwhile(server: Server) -> None:
    slowest = 0.0
    with server.client() as client, server.client() as greedy:
        files = [("file", ("a.png", png(), "image/png"))] * 5
        asking = threading.Thread(
            target=lambda: [
                greedy.post("/v1/tasks/many/predict?top_k=20000", files=files) for _ in range(4)
            ]
        )
        asking.start()
        while asking.is_alive():
            begin = time.perf_counter()
            assert ask(client, "few").status_code == 200
            slowest = max(slowest, time.perf_counter() - begin)
        asking.join()
    assert slowest < 0.5


def test_millions_of_names_are_refused_before_they_are_made(server: Server) -> None:
    with server.client() as client:
        many = {"tasks": ["a," * 32_000] * 900}  # 29 million
        begin = time.perf_counter()
        files = [("file", ("a.png", png(), "image/png"))]
        found = client.post("/v1/predict", data=many, files=files)
        assert time.perf_counter() - begin < 10
        assert_problem(found, 413, "tasks", str(900 * 32_001))
