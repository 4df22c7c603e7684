"""Overload over HTTP: which requests are refused, with what answer, and how soon."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from tests.service.support.app import (
    PNG,
    ask,
    assert_problem,
    metrics,
    png,
    small_backbone,
    task_file,
    upload,
)
from tests.service.support.batcher import held
from tests.service.support.forms import FORMS, ask_by, assert_refused

Serve = Callable[..., TestClient]


@pytest.mark.parametrize("form", FORMS)
def test_overload_is_429_with_retry_after(serve: Serve, small: Backbone, form: str) -> None:
    client = serve(queue_limit=2)
    upload(client, task_file(small, "pets"))
    components = client.app.state.components  # type: ignore[attr-defined]
    with components.batcher.admit(["cars"], 2):
        response = ask_by(client, form)
    assert_refused(response, 429, "queue: expected room for 1 rows, found 0")
    assert int(response.headers["retry-after"]) >= 1
    assert ask_by(client, form).status_code == 200


def test_overload_is_found_before_the_body_is_read(serve: Serve, small: Backbone) -> None:
    client = serve(queue_limit=2)
    upload(client, task_file(small, "pets"))
    components = client.app.state.components  # type: ignore[attr-defined]
    with components.batcher.admit(["cars"], 2):
        assert_problem(ask(client, "pets", b"not an image"), 429, "queue")
        assert_problem(client.post("/v1/predict", content=b"not a form", headers=PNG), 429, "queue")
    assert_problem(ask(client, "pets", b"not an image"), 422, "image")


def test_a_request_carries_its_priority(serve: Serve, small: Backbone) -> None:
    """Which shows in the requests that are refused when the queue is nearly full."""
    client = serve(queue_limit=10)
    upload(client, task_file(small, "pets"))
    components = client.app.state.components  # type: ignore[attr-defined]
    form = {"files": [("file", ("a.png", png()))], "data": {"tasks": "pets"}}
    with components.batcher.admit(["pets"], 8):
        for priority, status in {"low": 429, "normal": 429, "high": 200}.items():
            assert ask(client, "pets", priority=priority).status_code == status
            mixed = client.post("/v1/predict", params={"priority": priority}, **form)
            assert mixed.status_code == status
        assert_problem(ask(client, "pets"), 429, "task 'pets'", "at most 8 rows")
    unknown = ask(client, "pets", priority="urgent")
    assert_problem(unknown, 422, "priority", "'high', 'normal' or 'low'", "'urgent'")


def test_a_draining_server_is_not_ready_and_admits_nothing(
    client: TestClient, small: Backbone
) -> None:
    upload(client, task_file(small, "pets"))
    assert client.get("/readyz").status_code == 200
    client.app.state.components.drain()  # type: ignore[attr-defined]
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    response = ask(client, "pets")
    assert_problem(response, 503, "shutting down")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("form", FORMS)
def test_a_passed_deadline_is_504_and_its_rows_are_dropped(
    serve: Serve, small: Backbone, form: str
) -> None:
    client = serve(deadline_seconds=0.1)
    upload(client, task_file(small, "pets"))
    batcher = client.app.state.components.batcher  # type: ignore[attr-defined]
    before = metrics(client)["facet_batch_rows_sum"]
    with held(batcher):
        assert_refused(ask_by(client, form), 504, "within the deadline")
    client.portal.call(batcher.call, lambda: None)  # type: ignore[union-attr]
    assert batcher.admitted == 0
    assert metrics(client)["facet_batch_rows_sum"] == before


def test_a_client_may_set_its_own_deadline(serve: Serve, small: Backbone) -> None:
    client = serve()
    upload(client, task_file(small, "pets"))
    batcher = client.app.state.components.batcher  # type: ignore[attr-defined]
    with held(batcher):
        assert_problem(ask(client, "pets", timeout_ms=100), 504, "deadline")
    assert ask(client, "pets", timeout_ms=5000).status_code == 200
    for wrong in ("0", "-1", "soon", "inf", "nan"):
        assert_problem(ask(client, "pets", timeout_ms=wrong), 422, "timeout_ms", repr(wrong))


def test_a_deadline_behind_too_much_work_is_503_at_once(serve: Serve) -> None:
    slow = small_backbone()
    client = serve(backbone=slow, max_batch=1, queue_limit=64)
    upload(client, task_file(slow, "pets"))
    forward, gate = slow.features_mixed, threading.Semaphore(0)

    def features_mixed(*arguments: Any) -> torch.Tensor:
        gate.acquire(timeout=0.1)
        return forward(*arguments)

    slow.features_mixed = features_mixed  # type: ignore[method-assign]
    for _ in range(5):
        assert ask(client, "pets").status_code == 200
    files = [("file", (f"{seed}.png", png(seed))) for seed in range(20)]
    with ThreadPoolExecutor() as pool:
        busy = pool.submit(client.post, "/v1/tasks/pets/predict", files=files)
        batcher = client.app.state.components.batcher  # type: ignore[attr-defined]
        while not batcher.queued:
            time.sleep(0.001)
        response = ask(client, "pets", timeout_ms=500)
        assert_problem(response, 503, "answer within 0.", "seconds of work before it")
        assert int(response.headers["retry-after"]) >= 1
        gate.release(100)
        assert busy.result().status_code == 200
