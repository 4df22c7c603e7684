"""Task calls over HTTP: upload, list, download, activate, retire; and refusal of bad files."""

import gc
import hashlib
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head, TaskFile, open_store
from facet_vision.prompts_store.events import EventKind
from tests.prompts_store import hostile
from tests.service.support.app import (
    DEPTH,
    TASK_FILE,
    ask,
    assert_problem,
    metrics,
    numbered,
    small_backbone,
    task_file,
    upload,
)

Serve = Callable[..., TestClient]


def answer(client: Any, task: str) -> tuple[int, str]:
    """Version and best label."""
    (result,) = ask(client, task, top_k=1).json()["results"]
    return result["version"], result["predictions"][0]["label"]


def test_an_upload_answers_the_next_request(client: TestClient, small: Backbone) -> None:
    for number in range(1, 6):
        data = numbered(small, "counter", number)
        response = upload(client, data)
        assert response.status_code == 201
        assert response.headers["location"] == f"/v1/tasks/counter/versions/{number}"
        sha256 = hashlib.sha256(data).hexdigest()
        document = {"task": "counter", "version": number, "sha256": sha256}
        assert response.json() == document | {"size": len(data), "live": True}
        assert answer(client, "counter") == (number, f"v{number}")


def test_published_but_not_activated(client: TestClient, small: Backbone) -> None:
    response = upload(client, numbered(small, "counter", 1), activate=False)
    assert (response.status_code, response.json()["live"]) == (201, False)
    assert_problem(ask(client, "counter"), 404, "'counter'", "unpublished")
    upload(client, numbered(small, "counter", 2))
    upload(client, numbered(small, "counter", 3), activate="false")
    assert answer(client, "counter") == (2, "v2")
    activated = client.put("/v1/tasks/counter/live", json={"version": 3})
    assert activated.json() == {"task": "counter", "version": 3}
    assert answer(client, "counter") == (3, "v3")


def test_roll_back_and_forward(client: TestClient, small: Backbone) -> None:
    for number in (1, 2):
        upload(client, numbered(small, "counter", number))
    for version in (1, 2, 2, 1):
        assert client.put("/v1/tasks/counter/live", json={"version": version}).status_code == 200
        assert answer(client, "counter") == (version, f"v{version}")
    history = client.get("/v1/tasks/counter").json()["history"]
    assert [(event["event"], event["version"]) for event in history] == [
        ("publish", 1),
        ("activate", 1),
        ("publish", 2),
        ("activate", 2),
        ("activate", 1),
        ("activate", 2),  # once: to activate what is live already changes nothing
        ("activate", 1),
    ]


def test_retire_and_activate_again(client: TestClient, small: Backbone) -> None:
    upload(client, numbered(small, "counter", 1))
    assert client.delete("/v1/tasks/counter").status_code == 204
    assert_problem(ask(client, "counter"), 404, "'counter'", "retired")
    assert_problem(client.delete("/v1/tasks/counter"), 409, "'counter'")
    (listed,) = client.get("/v1/tasks").json()["tasks"]
    assert listed == {"task": "counter", "state": "retired", "versions": 1}
    assert client.get("/v1/tasks/counter").json()["history"][-1]["event"] == "retire"
    client.put("/v1/tasks/counter/live", json={"version": 1})
    assert answer(client, "counter") == (1, "v1")


def test_the_list_describes_each_task(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets", layers=DEPTH, tokens=4, description="Cats and dogs."))
    upload(client, task_file(small, "cars"))
    document = client.get("/v1/tasks").json()
    assert (document["backbone"], document["fingerprint"]) == (small.name, small.fingerprint)
    cars, pets = document["tasks"]
    assert cars["task"] == "cars"
    size, resident = pets.pop("size"), pets.pop("resident_bytes")
    assert size > 2000
    keys_and_values, head = 2 * DEPTH * 4 * small.feature_dim, 2 * small.feature_dim + 2
    assert resident == 4 * (keys_and_values + head)
    assert pets == {
        "task": "pets",
        "state": "live",
        "live": 1,
        "versions": 1,
        "method": "vpt-deep",
        "description": "Cats and dogs.",
        "labels": ["cat", "dog"],
        "activation": "softmax",
        "metrics": {"accuracy": 0.5},
        "place": "device",
    }
    detail = client.get("/v1/tasks/pets").json()
    assert detail["manifest"]["tokens"] == 4
    assert [version["number"] for version in detail["stored"]] == [1]


def test_a_history_shows_every_kind_of_event(serve: Serve, small: Backbone) -> None:
    store = open_store("memory:")
    for number in (1, 2):
        store.publish("counter", numbered(small, "counter", number), by="test")
    store.activate("counter", 1, by="test")
    store.retire("counter", by="test")
    store.delete("counter", 2, by="test")
    shown = serve(store=store).get("/v1/tasks/counter").json()
    assert {event["event"] for event in shown["history"]} == set(get_args(EventKind))
    assert [version["number"] for version in shown["stored"]] == [1]


def test_download_returns_the_bytes_with_an_immutable_tag(
    client: TestClient, small: Backbone
) -> None:
    data = numbered(small, "counter", 1)
    upload(client, data)
    response = client.get("/v1/tasks/counter/versions/1")
    assert response.content == data
    assert response.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert "immutable" in response.headers["cache-control"]
    again = client.get(
        "/v1/tasks/counter/versions/1", headers={"If-None-Match": response.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_unknown_tasks_and_versions(client: TestClient, small: Backbone) -> None:
    upload(client, numbered(small, "counter", 1))
    assert_problem(client.get("/v1/tasks/nobody"), 404, "'nobody'")
    assert_problem(client.delete("/v1/tasks/nobody"), 404, "'nobody'")
    assert_problem(client.put("/v1/tasks/nobody/live", json={"version": 1}), 404, "'nobody'")
    assert_problem(client.put("/v1/tasks/counter/live", json={"version": 2}), 404, "'counter'", "2")
    assert_problem(client.get("/v1/tasks/counter/versions/2"), 404, "'counter'", "2")
    assert_problem(client.get("/v1/tasks/nobody/versions/1"), 404, "'nobody'")
    assert_problem(client.get("/v1/tasks/counter/versions/x"), 422, "version", "'x'")
    assert_problem(client.get("/v1/tasks/counter/versions/0"), 422, "version", "'0'")
    assert_problem(client.get("/v9/health/ready"), 404, "/v9/health/ready")
    assert_problem(client.post("/v1/tasks"), 405, "POST", "/v1/tasks")
    assert answer(client, "counter") == (1, "v1")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["body"]),
        (b"{", ["body", "JSON"]),
        (b"[]", ["body"]),
        (b"{}", ["version"]),
        (b'{"version": "x"}', ["version", "'x'"]),
        (b'{"version": 0}', ["version", "0"]),
        (b'{"version": 1, "force": true}', ["force"]),
        (b"\xff\xfe", ["body"]),
    ],
)
def test_bad_activations(
    client: TestClient, small: Backbone, body: bytes, words: list[str]
) -> None:
    upload(client, numbered(small, "counter", 1))
    response = client.put("/v1/tasks/counter/live", content=body)
    assert_problem(response, 400 if body == b"" else 422, *words)


@pytest.mark.parametrize("case", hostile.cases(), ids=lambda case: case.name)
def test_hostile_files(client: TestClient, case: hostile.Hostile) -> None:
    status = 400 if case.data == b"" else 422
    response = client.post("/v1/tasks/flowers/versions", content=case.data, headers=TASK_FILE)
    assert_problem(response, status, *(case.words if status == 422 else ()))
    assert client.get("/v1/tasks").json()["tasks"] == []


def test_files_that_do_not_fit(client: TestClient, small: Backbone) -> None:
    upload(client, numbered(small, "counter", 1))
    good = task_file(small, "counter", layers=DEPTH)
    narrow = Head(((torch.zeros(2, 8), torch.zeros(2)),))
    refused: list[tuple[TaskFile, list[str]]] = [
        (task_file(small_backbone(seed=1), "counter"), ["fingerprint", small.identity["weights"]]),
        (task_file(small, "counter", pooling="avg"), ["pooling", "'avg'"]),
        (task_file(small, "counter", input_size=(3, 64, 64)), ["input size", "64"]),
        (task_file(small, "counter", mean=(0.1, 0.2, 0.3)), ["mean"]),
        (TaskFile(good.manifest, good.prompts, narrow), ["head", "8"]),
    ]
    for file, words in refused:
        assert_problem(upload(client, file), 422, *words)
    wide = torch.full_like(good.head.layers[0][0], 3e38)
    wild = TaskFile(
        good.manifest.model_copy(update={"activation": "none"}),
        good.prompts,
        Head(((wide, wide[:, 0]),)),
    )
    assert_problem(upload(client, wild), 422, "'counter'", "finite")
    assert answer(client, "counter") == (1, "v1")
    assert len(client.get("/v1/tasks/counter").json()["stored"]) == 1


def test_a_task_of_the_first_fingerprint_is_served_with_a_note(
    client: TestClient, small: Backbone
) -> None:
    first = {"fingerprint": small.identity["weights"], "identity": None}
    assert upload(client, task_file(small, "old", **first)).status_code == 201
    assert upload(client, task_file(small, "new")).status_code == 201
    new, old = client.get("/v1/tasks").json()["tasks"]
    assert "note" not in new
    assert "weights alone" in old["note"]
    assert "weights alone" in client.get("/v1/tasks/old").json()["note"]
    assert ask(client, "old").status_code == 200
    other = {"fingerprint": "0" * 64, "identity": None}
    assert_problem(upload(client, task_file(small, "old", **other)), 422, "weights", "0" * 64)


def test_the_name_in_the_path_must_be_the_manifests(client: TestClient, small: Backbone) -> None:
    assert_problem(upload(client, task_file(small, "cats"), "dogs"), 422, "'dogs'", "'cats'")


@pytest.mark.parametrize("name", ["%2E%2E", ".hidden", "a b", "a%5Cb", "x" * 200, "stats", "é"])
def test_bad_names(client: TestClient, name: str) -> None:
    response = client.post(f"/v1/tasks/{name}/versions", content=b"x", headers=TASK_FILE)
    assert_problem(response, 422, "task name")


def test_a_slash_in_a_name_is_no_task(client: TestClient) -> None:
    for name in ("a%2Fb", "..%2F..%2Fetc"):
        response = client.post(f"/v1/tasks/{name}/versions", content=b"x", headers=TASK_FILE)
        assert_problem(response, 404)


def test_uploads_take_one_content_type(client: TestClient, small: Backbone) -> None:
    url, data = "/v1/tasks/counter/versions", numbered(small, "counter", 1)
    for kind in ("application/x-www-form-urlencoded", "application/json", "image/png"):
        assert_problem(client.post(url, content=data, headers={"Content-Type": kind}), 415, kind)
    assert_problem(client.post(url, files=[("file", ("a", data))]), 415, "multipart/form-data")


def test_uploads_have_a_limit(serve: Serve, small: Backbone) -> None:
    data = numbered(small, "counter", 1)
    client = serve(max_task_bytes=len(data))
    assert upload(client, data).status_code == 201
    assert_problem(upload(client, data + b" ", "counter"), 413, str(len(data)))


def test_a_start_serves_what_the_store_says(serve: Serve, small: Backbone, tmp_path: Path) -> None:
    first = serve(store=open_store(tmp_path))
    for number in (1, 2, 3):
        upload(first, numbered(small, "counter", number))
    upload(first, numbered(small, "retired", 4))
    first.delete("/v1/tasks/retired")
    first.put("/v1/tasks/counter/live", json={"version": 2})
    second = serve(store=open_store(tmp_path))
    assert answer(second, "counter") == (2, "v2")
    states = [task["state"] for task in second.get("/v1/tasks").json()["tasks"]]
    assert states == ["live", "retired"]


def test_a_task_that_cannot_be_served_is_listed_with_its_reason(
    serve: Serve, small: Backbone, tmp_path: Path
) -> None:
    other = small_backbone(seed=1)
    upload(serve(store=open_store(tmp_path), backbone=other), task_file(other, "theirs"))
    first = serve(store=open_store(tmp_path))
    upload(first, numbered(small, "ours", 1))
    upload(first, numbered(small, "damaged", 1))
    (path,) = tmp_path.glob("damaged/versions/*")
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    client = serve(store=open_store(tmp_path))
    states = {task["task"]: task["state"] for task in client.get("/v1/tasks").json()["tasks"]}
    # the header names the backbone; damaged tensors show only when the task is loaded
    assert states == {"damaged": "live", "ours": "live", "theirs": "unavailable"}
    for _ in range(2):
        assert_problem(ask(client, "theirs"), 503, "'theirs'", "fingerprint")
        assert_problem(ask(client, "damaged"), 503, "'damaged'", "sha256")
    damaged, ours, theirs = client.get("/v1/tasks").json()["tasks"]
    assert ours["state"] == "live"
    assert (damaged["state"], theirs["state"]) == ("unavailable", "unavailable")
    assert "sha256" in damaged["reason"]
    assert "fingerprint" in theirs["reason"]
    assert_problem(client.get("/v1/tasks/damaged/versions/1"), 500, "sha256")
    assert answer(client, "ours") == (1, "v1")
    assert client.get("/readyz").status_code == 200
    upload(client, numbered(small, "damaged", 2))
    assert answer(client, "damaged") == (2, "v2")


def test_replicas_follow_each_other(serve: Serve, small: Backbone, tmp_path: Path) -> None:
    writer = serve(store=open_store(tmp_path))
    reader = serve(store=open_store(tmp_path), store_poll_seconds=0.02)

    def eventually(check: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        while not check():
            assert time.monotonic() < until
            time.sleep(0.02)

    upload(writer, numbered(small, "counter", 1))
    eventually(lambda: ask(reader, "counter").status_code == 200)
    upload(writer, numbered(small, "counter", 2))
    eventually(lambda: answer(reader, "counter") == (2, "v2"))
    writer.put("/v1/tasks/counter/live", json={"version": 1})
    eventually(lambda: answer(reader, "counter") == (1, "v1"))
    writer.delete("/v1/tasks/counter")
    eventually(lambda: ask(reader, "counter").status_code == 404)


def test_a_replaced_version_leaves_memory(client: TestClient, small: Backbone) -> None:
    upload(client, numbered(small, "counter", 1))
    ask(client, "counter")
    bank = client.app.state.components.bank  # type: ignore[attr-defined]
    replaced = weakref.ref(bank.find("counter"))
    upload(client, numbered(small, "counter", 2))
    ask(client, "counter")
    retired = weakref.ref(bank.find("counter"))
    client.delete("/v1/tasks/counter")
    for _ in range(100):
        gc.collect()
        if replaced() is None and retired() is None:
            return
        time.sleep(0.01)
    pytest.fail("a resident that nobody uses is still in memory")


def test_metrics_know_tasks_only_while_they_are_live(client: TestClient, small: Backbone) -> None:
    series = 'facet_images_total{task="counter"}'
    for number in range(50):
        ask(client, f"made-up-{number}")
    upload(client, numbered(small, "counter", 1))
    assert series not in metrics(client)
    for _ in range(3):
        ask(client, "counter")
    ask(client, "counter", b"not an image")
    seen = metrics(client)
    assert seen[series] == 3
    assert seen["facet_resident_tasks"] == 1
    assert seen["facet_resident_bytes"] > 0
    assert seen["facet_admitted_rows"] == seen["facet_queued_rows"] == 0
    assert seen['facet_task_changes_total{change="activate"}'] == 1
    assert seen['facet_rejections_total{reason="unknown-task"}'] == 50
    assert seen['facet_rejections_total{reason="bad-image"}'] == 1
    predict = 'facet_requests_total{method="POST",route="/v1/tasks/{task}/predict",status="%s"}'
    assert [seen[predict % status] for status in (200, 404, 422)] == [3, 50, 1]
    assert "made-up" not in client.get("/metrics").text
    client.get("/made/up")
    assert metrics(client)['facet_requests_total{method="any",route="unmatched",status="404"}'] == 1
    client.delete("/v1/tasks/counter")
    assert series not in metrics(client)
    assert metrics(client)["facet_resident_bytes"] == 0


def test_the_api_describes_itself(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["tags"], path
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("digits", [10, 5000])
def test_a_number_of_many_digits_is_refused_in_a_sentence(client: TestClient, digits: int) -> None:
    number = "9" * digits
    body = client.put("/v1/tasks/pets/live", content=f'{{"version": {number}}}')
    assert_problem(body, 422, "version")
    assert_problem(client.get(f"/v1/tasks/pets/versions/{number}"), 422, "version")
    assert_problem(client.get(f"/v1/tasks?limit={number}"), 422, "limit")
    assert len(body.text) < 1000
