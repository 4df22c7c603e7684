"""Lists of tasks: pages, and what they say of tasks that no request has named yet."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store
from facet_vision.service.client.client import Client
from tests.service.support.app import assert_problem, numbered, small_backbone, task_file, upload
from tests.service.support.residency import (
    FILE,
    HEADER,
    WatchedObjects,
    answer,
    fill,
    held_reads,
    many,
    small_budget,
)

Serve = Callable[..., TestClient]


def names(client: TestClient, **query: object) -> tuple[list[str], str | None]:
    document = client.get("/v1/tasks", params=query).json()
    return [task["task"] for task in document["tasks"]], document.get("next")


def test_pages(serve: Serve, small: Backbone, objects: WatchedObjects) -> None:
    fill(objects, many(small, 7))
    client = serve(store=Store(objects))
    all_names = [f"task-0{number}" for number in range(7)]
    assert names(client) == (all_names, None)
    assert names(client, limit=3) == (all_names[:3], "task-02")
    assert names(client, limit=3, after="task-02") == (all_names[3:6], "task-05")
    assert names(client, limit=3, after="task-05") == (all_names[6:], None)
    assert names(client, limit=7) == (all_names, None)
    assert names(client, after="task-03x", limit=1) == (["task-04"], "task-04")
    assert names(client, after="zebra") == ([], None)
    client.delete("/v1/tasks/task-02")  # a page may start after a task that is gone
    upload(client, numbered(small, "task-02a", 1))
    assert names(client, limit=2, after="task-02") == (["task-02a", "task-03"], "task-03")


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_bad_limits(client: TestClient, limit: str) -> None:
    assert_problem(client.get("/v1/tasks", params={"limit": limit}), 422, "limit", repr(limit))


def test_a_page_has_a_hundred_tasks_by_default(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(
        objects,
        {f"t{number:03}": numbered(small, f"t{number:03}", 1, classes=2) for number in range(101)},
    )
    client = serve(store=Store(objects))
    listed, following = names(client)
    assert (len(listed), following) == (100, "t099")


def test_the_client_reads_all_pages(url: str, small: Backbone) -> None:
    with Client(url) as client:
        for number in range(5):
            client.publish(f"task-0{number}", numbered(small, f"task-0{number}", number))
        listed = client.tasks(per_request=2)
    assert [task.task for task in listed.tasks] == [f"task-0{number}" for number in range(5)]
    assert "next" not in listed.document()


def test_a_list_needs_no_tensors_and_no_load(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 4))
    client = serve(store=Store(objects), device_budget=small_budget(small), host_budget="1MiB")
    with held_reads(objects):
        before = client.get("/v1/tasks").json()["tasks"]
    for name in ("task-00", "task-01"):
        answer(client, name)
    objects.counts.clear()
    after = client.get("/v1/tasks").json()["tasks"]
    assert (objects.counts[FILE], objects.counts[HEADER]) == (0, 0)
    assert [task["place"] for task in after] == ["host", "device", "store", "store"]
    held = after[1].pop("resident_bytes")
    assert 0 < held <= small_budget(small)
    assert all("resident_bytes" not in task for task in before + after)
    for task in before + after:
        del task["place"]
    assert before == after  # wherever a task is, its description is the same


def test_a_task_in_the_store_is_shown_in_full(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 1))
    shown = serve(store=Store(objects)).get("/v1/tasks/task-00").json()
    assert (shown["state"], shown["place"], shown["live"], shown["versions"]) == (
        "live",
        "store",
        1,
        1,
    )
    assert shown["manifest"]["task"] == "task-00"
    assert objects.counts[FILE] == 0


def test_a_replaced_task_is_not_shown_with_its_old_header(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, {"pets": task_file(small, "pets", description="old").to_bytes()})
    client = serve(store=Store(objects), device_budget=0, host_budget=0)
    assert client.get("/v1/tasks/pets").json()["description"] == "old"
    upload(client, task_file(small, "pets", description="new"))
    assert client.get("/v1/tasks/pets").json()["description"] == "new"


def test_faults_in_the_store_are_listed_with_the_task_until_they_pass(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(
        objects, many(small, 2) | {"theirs": task_file(small_backbone(seed=1), "theirs").to_bytes()}
    )
    objects.create("unread/events/000001.json", b"{")
    client = serve(store=Store(objects))
    objects.damage = lambda path, data: (
        b"\xff" * len(data) if path.startswith("task-01/versions") else data
    )
    tasks = client.get("/v1/tasks").json()["tasks"]
    assert [task["state"] for task in tasks] == [
        "live",
        "unavailable",
        "unavailable",
        "unavailable",
    ]
    for task, words in zip(
        tasks[1:], ("header length", "fingerprint", "expected an event"), strict=True
    ):
        assert words in task["reason"]
    assert "versions" not in tasks[3]
    objects.damage = lambda _, data: data
    assert client.get("/v1/tasks").json()["tasks"][1]["state"] == "live"
    assert answer(client, "task-01") == (1, "v1")


def test_a_task_that_this_server_does_not_know_yet(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    client = serve(store=Store(objects))
    fill(objects, many(small, 1))
    shown = client.get("/v1/tasks/task-00").json()
    assert (shown["state"], shown["live"], shown["place"]) == ("live", 1, "store")
    assert answer(client, "task-00") == (1, "v0")
