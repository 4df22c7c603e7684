"""Two servers on one store: what one of them does, the other one learns whenever it asks."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, StoreUnavailable, TaskState
from tests.service.support.app import ask, assert_problem, numbered, upload
from tests.service.support.residency import (
    WatchedObjects,
    answer,
    components,
    on_device,
)

Serve = Callable[..., TestClient]
Servers = tuple[TestClient, TestClient]


@pytest.fixture
def servers(serve: Serve, small: Backbone, objects: WatchedObjects) -> Servers:
    """Two that never look by themselves; both have versions 1 and 2, and answer with 2."""
    first, second = serve(store=Store(objects)), serve(store=Store(objects))
    for number in (1, 2):
        upload(first, numbered(small, "counter", number))
    second.put("/v1/tasks/counter/live", json={"version": 2})
    assert [answer(each, "counter") for each in (first, second)] == [(2, "v2")] * 2
    return first, second


def activate(client: TestClient, version: int) -> Any:
    return client.put("/v1/tasks/counter/live", json={"version": version})


def is_retired(client: TestClient) -> None:
    """It answers nobody, and says so everywhere."""
    assert_problem(ask(client, "counter"), 404, "'counter'", "retired")
    (listed,) = client.get("/v1/tasks").json()["tasks"]
    shown = client.get("/v1/tasks/counter").json()
    for document in (listed, shown):
        assert document["state"] == "retired"
        assert not {"live", "place", "labels"} & set(document)
    changes = [each["event"] for each in shown["history"] if each["event"] != "publish"]
    assert changes[-1] == "retire"
    assert on_device(client) == []


def test_a_task_retired_elsewhere_is_retired_once_it_is_retired_again(servers: Servers) -> None:
    first, second = servers
    assert second.delete("/v1/tasks/counter").status_code == 204
    refused = first.delete("/v1/tasks/counter")
    assert_problem(ask(first, "counter"), 404, "retired")  # at once, not after another look
    known = second.delete("/v1/tasks/counter")
    for answered in (refused, known):
        assert_problem(answered, 409, "'counter'", "found none")
    is_retired(first)


def test_a_task_retired_elsewhere_is_retired_once_it_is_shown(servers: Servers) -> None:
    first, second = servers
    second.delete("/v1/tasks/counter")
    assert first.get("/v1/tasks/counter").json()["state"] == "retired"
    is_retired(first)


def test_what_is_shown_is_what_answers(servers: Servers) -> None:
    first, second = servers
    activate(second, 1)
    shown = first.get("/v1/tasks/counter").json()
    assert (shown["live"], shown["history"][-1]["version"]) == (1, 1)
    assert answer(first, "counter") == (1, "v1")


@pytest.mark.parametrize(
    "refused",
    [
        lambda client: activate(client, 9),
        lambda client: client.delete("/v1/tasks/counter/versions/9"),
        lambda client: client.delete("/v1/tasks/counter/versions/1"),
    ],
    ids=["activate", "delete", "delete-live"],
)
def test_a_refused_change_tells_what_is_live(
    servers: Servers, refused: Callable[[TestClient], Any]
) -> None:
    first, second = servers
    activate(second, 1)
    assert refused(first).status_code in (404, 409)
    assert answer(first, "counter") == (1, "v1")


def test_so_does_one_that_is_done(servers: Servers, small: Backbone) -> None:
    first, second = servers
    second.delete("/v1/tasks/counter")
    made = upload(first, numbered(small, "counter", 3), activate="false")
    assert (made.status_code, made.json()["live"]) == (201, False)
    is_retired(first)
    upload(second, numbered(small, "counter", 4))
    assert first.delete("/v1/tasks/counter/versions/1").status_code == 204
    assert answer(first, "counter") == (4, "v4")


def test_an_upload_that_fits_nothing_asks_the_store_as_well(servers: Servers) -> None:
    first, second = servers
    second.delete("/v1/tasks/counter")
    assert upload(first, b"no task file", "counter").status_code == 422
    is_retired(first)


def test_the_live_version_that_was_deleted_elsewhere_is_not_the_live_one(
    servers: Servers, small: Backbone
) -> None:
    first, second = servers
    components(first).bank.remove("counter")  # as if evicted
    activate(second, 1)
    second.delete("/v1/tasks/counter/versions/2")
    assert answer(first, "counter") == (1, "v1")
    components(first).bank.remove("counter")
    upload(second, numbered(small, "counter", 3))
    second.delete("/v1/tasks/counter/versions/1")
    second.delete("/v1/tasks/counter")
    assert_problem(ask(first, "counter"), 404, "retired")


def test_a_version_that_cannot_be_loaded_yet_is_told(
    servers: Servers, objects: WatchedObjects
) -> None:
    first, second = servers
    activate(second, 1)

    def unreadable(path: str, data: bytes) -> bytes:
        if path.endswith(".safetensors"):
            raise StoreUnavailable(f"storage of '{path}': expected an answer, found none")
        return data

    objects.damage = unreadable
    shown = first.get("/v1/tasks/counter").json()
    assert (shown["state"], shown["live"], shown["history"][-1]["version"]) == ("live", 2, 1)
    assert shown["note"].startswith("version 1 is live in the store and could not be loaded yet")
    assert answer(first, "counter") == (2, "v2")
    objects.damage = lambda _, data: data
    shown = first.get("/v1/tasks/counter").json()
    assert (shown["live"], "note" in shown) == (1, False)


class Overtaken(Store):
    """A store in which others act after an activation, and before its caller hears of it."""

    def act(self) -> None:
        """Replaced by a test."""

    def activate(self, task: str, version: int, *, by: str) -> TaskState:
        state = super().activate(task, version, by=by)
        self.act()
        return state


def test_a_version_that_was_live_for_a_moment_does_not_come_back(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    store, other = Overtaken(objects), Store(objects)
    client = serve(store=store)

    def retire() -> None:
        other.retire("counter", by="other")
        assert client.get("/v1/tasks/counter").json()["state"] == "retired"

    store.act = retire  # type: ignore[method-assign]
    upload(client, numbered(small, "counter", 1))
    is_retired(client)


def test_a_store_that_is_away_is_not_asked_twice(servers: Servers, objects: WatchedObjects) -> None:
    first, _ = servers
    asked = []

    def refuse(path: str, length: int | None = None) -> bytes:
        asked.append((path, length))
        raise StoreUnavailable(f"storage of '{path}': expected an answer, found none")

    objects.read = refuse  # type: ignore[method-assign]
    assert_problem(first.delete("/v1/tasks/counter"), 503, "expected an answer")
    assert len(asked) == 1
    assert answer(first, "counter") == (2, "v2")
