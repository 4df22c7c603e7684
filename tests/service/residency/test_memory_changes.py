"""Tasks that change, break or return while they are in any memory tier."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import torch
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, StoreUnavailable
from facet_vision.service.residency.registry import RETRY_SECONDS
from tests.service.support.app import (
    DEPTH,
    ask,
    assert_problem,
    metrics,
    numbered,
    png,
    small_backbone,
    task_file,
    upload,
)
from tests.service.support.residency import (
    FILE,
    WatchedObjects,
    answer,
    components,
    fill,
    held_reads,
    many,
    on_device,
    refresh,
    small_budget,
    wait_until,
)

Serve = Callable[..., TestClient]


# Versions.


def test_a_request_that_waits_for_a_version_gets_it_and_a_later_one_the_next(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, {"counter": numbered(small, "counter", 1)})
    client = serve(store=Store(objects))
    with held_reads(objects):
        early = pool.submit(answer, client, "counter")
        assert objects.entered.acquire(timeout=10)
        upload(client, numbered(small, "counter", 2))
        assert answer(client, "counter") == (2, "v2")
    assert early.result() == (1, "v1")
    assert answer(client, "counter") == (2, "v2")  # the late load of the first replaced nothing


def test_a_task_that_is_retired_while_it_loads_stays_retired(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, {"counter": numbered(small, "counter", 1)})
    client = serve(store=Store(objects))
    with held_reads(objects):
        early = pool.submit(answer, client, "counter")
        assert objects.entered.acquire(timeout=10)
        assert client.delete("/v1/tasks/counter").status_code == 204
        assert_problem(ask(client, "counter"), 404, "retired")
    assert early.result() == (1, "v1")
    assert_problem(ask(client, "counter"), 404, "retired")
    assert on_device(client) == []


def test_eviction_takes_nothing_from_rows_that_wait(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, many(small, 2))
    client = serve(store=Store(objects), device_budget=small_budget(small))
    assert answer(client, "task-00") == (1, "v0")
    release, batcher = threading.Event(), components(client).batcher

    async def hold() -> None:
        await batcher.call(lambda: release.wait(20))

    holding = client.portal.start_task_soon(hold)  # type: ignore[union-attr]
    first = pool.submit(answer, client, "task-00")
    wait_until(lambda: batcher.queued == 1)
    second = pool.submit(answer, client, "task-01")
    wait_until(lambda: batcher.queued == 2)
    assert on_device(client) == ["task-01"]
    assert metrics(client)["facet_leaving_bytes"] > 0
    release.set()
    assert (first.result(), second.result()) == ((1, "v0"), (1, "v1"))
    holding.result()


def test_an_evicted_version_can_be_activated_again_and_nothing_is_written_for_it(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 2))
    client = serve(store=Store(objects))
    assert client.put("/v1/tasks/task-01/live", json={"version": 1}).status_code == 200
    assert on_device(client) == ["task-01"]
    assert len(client.get("/v1/tasks/task-01").json()["history"]) == 2
    assert answer(client, "task-01") == (1, "v1")


# Other servers.


def test_a_refresh_notices_changes_without_loading_tasks_that_are_not_used(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 3))
    client, other = serve(store=Store(objects)), Store(objects)
    assert [answer(client, f"task-0{n}") for n in range(2)] == [(1, "v0"), (1, "v1")]
    components(client).bank.device.remove("task-01")  # as if evicted
    objects.counts.clear()
    for name in ("task-01", "task-02", "new"):
        other.activate(
            name, other.publish(name, numbered(small, name, 8), by="other").number, by="other"
        )
    refresh(client)
    assert objects.counts[FILE] == 0
    assert [answer(client, name) for name in ("task-01", "task-02", "new")] == [
        (2, "v8"),
        (2, "v8"),
        (1, "v8"),
    ]
    other.activate("task-01", 1, by="other")
    objects.counts.clear()
    refresh(client)
    # It is on the device: the next request should not have to wait.
    assert objects.counts[FILE] == 1
    assert answer(client, "task-01") == (1, "v1")
    assert objects.counts[FILE] == 1


def test_an_outage_of_the_store_takes_down_no_task_that_answers(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 2))
    client, other = serve(store=Store(objects)), Store(objects)
    assert answer(client, "task-00") == (1, "v0")
    other.activate(
        "task-00",
        other.publish("task-00", numbered(small, "task-00", 8), by="other").number,
        by="other",
    )
    # The history was read before the store became unreachable.
    components(client).registry.learn(other.state("task-00"))
    objects.is_down = True
    refresh(client)
    assert answer(client, "task-00") == (1, "v0")
    assert_problem(ask(client, "task-01"), 503, "'task-01'", "the connection cut")
    assert client.get("/v1/tasks").json()["tasks"][1]["state"] == "unavailable"
    objects.is_down = False
    refresh(client)
    assert answer(client, "task-00") == (2, "v8")


def test_a_version_answers_until_the_file_of_the_next_one_can_be_read(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 2))
    client, other = serve(store=Store(objects)), Store(objects)
    assert answer(client, "task-00") == (1, "v0")
    data = numbered(small, "task-00", 8)
    other.activate("task-00", other.publish("task-00", data, by="other").number, by="other")

    def unreadable(path: str, data: bytes) -> bytes:
        if path.endswith(".safetensors"):
            raise StoreUnavailable(f"storage of '{path}': expected an answer, found none")
        return data  # histories can be read

    objects.damage = unreadable
    for _ in range(2):
        refresh(client)
        assert metrics(client)["facet_task_load_failures_total"] > 0
        assert answer(client, "task-00") == (1, "v0")
    objects.damage = lambda _, data: data
    refresh(client)
    assert answer(client, "task-00") == (2, "v8")


def test_a_version_is_taken_down_where_the_next_one_can_never_be_served(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 1))
    client, other = serve(store=Store(objects)), Store(objects)
    assert answer(client, "task-00") == (1, "v0")
    data = task_file(small_backbone(seed=1), "task-00").to_bytes()
    other.activate("task-00", other.publish("task-00", data, by="other").number, by="other")
    refresh(client)
    assert_problem(ask(client, "task-00"), 503, "'task-00'", "fingerprint")


# What cannot be served.


def test_a_broken_file_fails_its_own_requests_only_and_returns_when_it_is_repaired(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    later = 0.0
    fill(objects, many(small, 3))
    objects.damage = lambda path, data: (
        data[:-1] + b"!" if path.startswith("task-01/versions") else data
    )
    client = serve(store=Store(objects), clock=lambda: perf_counter() + later)
    assert answer(client, "task-00") == (1, "v0")
    every = client.post("/v1/predict", files=[("file", ("a.png", png()))], data={"tasks": "*"})
    assert [result["task"] for result in every.json()["results"]] == ["task-00", "task-02"]
    objects.counts.clear()
    for _ in range(5):
        response = ask(client, "task-01")
        assert_problem(response, 503, "'task-01'", "sha256")
        assert "retry-after" not in response.headers  # no waiting mends it
    some = client.post(
        "/v1/predict", files=[("file", ("a.png", png()))], data={"tasks": "task-00,task-01"}
    )
    assert_problem(some, 503, "'task-01'", "sha256")
    assert objects.counts[FILE] == 0  # the failure is remembered for a moment
    assert metrics(client)["facet_task_load_failures_total"] == 1
    assert client.get("/v1/tasks/task-01").json()["state"] == "unavailable"
    objects.damage = lambda _, data: data
    later += RETRY_SECONDS
    assert answer(client, "task-01") == (1, "v1")
    assert client.get("/v1/tasks/task-01").json()["state"] == "live"


def test_a_task_for_another_backbone_is_refused_once_and_for_all(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    later = 0.0
    fill(
        objects,
        {
            "theirs": task_file(small_backbone(seed=1), "theirs").to_bytes(),
            "b": numbered(small, "b", 2),
        },
    )
    client = serve(store=Store(objects), clock=lambda: perf_counter() + later)
    for _ in range(3):
        response = ask(client, "theirs")
        assert_problem(response, 503, "'theirs'", "fingerprint")
        assert "retry-after" not in response.headers
        later += 10 * RETRY_SECONDS
    assert objects.counts[FILE] == 1
    every = client.post("/v1/predict", files=[("file", ("a.png", png()))], data={"tasks": "*"})
    assert [result["task"] for result in every.json()["results"]] == ["b"]


def test_a_name_in_the_store_without_a_live_version_is_not_served(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 1))
    store = Store(objects)
    store.publish("draft", numbered(small, "draft", 1), by="x")
    store.retire("task-00", by="x")
    client = serve(store=Store(objects))
    for _ in range(2):
        assert_problem(ask(client, "draft"), 404, "'draft'", "unpublished")
        assert_problem(ask(client, "task-00"), 404, "'task-00'", "retired")
    every = client.post("/v1/predict", files=[("file", ("a.png", png()))], data={"tasks": "*"})
    assert_problem(every, 404, "live task")
    assert objects.counts[FILE] == 0


def test_a_device_without_room_is_one_sentence(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 3))
    crowded, later = small_backbone(), 0.0
    client = serve(store=Store(objects), backbone=crowded, clock=lambda: perf_counter() + later)
    assert answer(client, "task-02") == (1, "v2")

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    encode, crowded.encode = crowded.encode, full  # type: ignore[method-assign]
    assert_problem(ask(client, "task-01"), 503, "'task-01'", "device: expected room")
    assert_problem(upload(client, numbered(small, "task-01", 4)), 503, "device: expected room")
    assert answer(client, "task-02") == (1, "v2")
    crowded.encode, later = encode, RETRY_SECONDS  # type: ignore[method-assign]
    assert answer(client, "task-01") == (1, "v1")


def test_prompts_that_overflow_the_backbones_precision_are_refused(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    wild = task_file(small, "wild", layers=DEPTH)
    huge = tuple(
        torch.full_like(prompt, 3e38) * torch.tensor([1.0, -1.0] * (prompt.shape[1] // 2))
        for prompt in wild.prompts
    )
    fill(
        objects,
        {
            "wild": type(wild)(wild.manifest, huge, wild.head).to_bytes(),
            "b": numbered(small, "b", 2),
        },
    )
    client = serve(store=Store(objects))
    assert_problem(ask(client, "wild"), 503, "'wild'", "finite")
    assert answer(client, "b") == (1, "v2")
