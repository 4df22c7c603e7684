"""Changes of examples that arrive together: few versions, and what was acknowledged stays."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import httpx
import numpy as np
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, StoreUnavailable, UnknownExample
from facet_vision.service.residency.examples import Examples, Labelled
from tests.service.support.app import (
    assert_problem,
    numbered,
    small_backbone,
    task_file,
    upload,
)
from tests.service.support.residency import WatchedObjects, components, wait_until
from tests.service.support.shades import shades, teach

Serve = Callable[..., TestClient]


def labelled(small: Backbone, label: str, number: int) -> Labelled:
    feature = np.random.default_rng(number).normal(size=small.feature_dim).astype(np.float32)
    return label, f"{number:016x}", feature


def together(client: TestClient, changes: Callable[[Any], list[Any]]) -> list[Any]:
    """Make changes that all arrive in one step of the event loop; return what each is told."""

    async def gathered() -> list[Any]:
        made = changes(components(client).examples)
        return await asyncio.gather(*made, return_exceptions=True)

    return client.portal.call(gathered)  # type: ignore[union-attr]


def held(client: TestClient, task: str) -> set[str]:
    shown = client.get(f"/v1/tasks/{task}/examples").json()
    return {id for each in shown["labels"] for id in each["examples"]}


def test_parallel_posts_are_all_there_in_fewer_versions(url: str, pool: ThreadPoolExecutor) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:

        def post(number: int) -> dict[str, Any]:
            label = ("dark", "red", "light")[number % 3]
            answer = teach(client, "t", {label: shades(label, 2, 2 * number)})
            assert answer.status_code == 201, answer.text
            document: dict[str, Any] = answer.json()
            return document

        made = list(pool.map(post, range(20)))
        shown = client.get("/v1/tasks/t").json()
        there = {
            id
            for each in client.get("/v1/tasks/t/examples").json()["labels"]
            for id in each["examples"]
        }
        assert there == {id for each in made for id in each["examples"]}
        assert len(there) == 40
        assert max(each["version"] for each in made) == shown["live"] == shown["versions"] < 20
        for each in made:
            stored = client.get(f"/v1/tasks/t/versions/{each['version']}")
            assert stored.status_code == 200


def test_what_waits_becomes_one_version(client: TestClient, small: Backbone) -> None:
    def changes(examples: Any) -> list[Any]:
        return [
            examples.add("t", [labelled(small, f"label {number % 3}", number)], None, by="ada")
            for number in range(20)
        ]

    told = together(client, changes)
    assert {each.version for each in told} == {1}
    assert all(each.created for each in told)
    assert [each.examples for each in told] == [[f"{number:016x}"] for number in range(20)]
    assert {sum(label.count for label in each.labels) for each in told} == {20}


def test_one_that_is_refused_does_not_hinder_the_others(
    client: TestClient, small: Backbone
) -> None:
    teach(client, "t", {"dark": shades("dark", 2)})

    def changes(examples: Any) -> list[Any]:
        return [
            examples.add("t", [labelled(small, "new", 1)], None, by="ada"),
            examples.forget("t", "0" * 16, by="bob"),
            examples.add("t", [labelled(small, "new", 2)], "knn", by="cid"),
            examples.forget_label("t", "dark", by="dan"),
            examples.forget("t", f"{1:016x}", by="ada"),
            examples.forget_label("t", "new", by="eve"),
        ]

    made, unknown, method, label, forgotten, last = together(client, changes)
    assert isinstance(unknown, UnknownExample)
    assert "found knn" in str(method)
    assert isinstance(made, Examples)
    assert (made.version, label.version) == (2, 2)
    # applied one after another: what is forgotten leaves nothing, so the last two are refused
    assert "retire the task instead" in str(forgotten)
    assert "retire the task instead" in str(last)
    assert held(client, "t") == {f"{1:016x}"}
    shown = client.get("/v1/tasks/t").json()
    assert shown["history"][-1]["by"] == "ada, dan"


def test_changes_that_come_to_nothing_are_no_version(client: TestClient, small: Backbone) -> None:
    teach(client, "t", {"dark": shades("dark", 2)})

    def changes(examples: Any) -> list[Any]:
        one = [labelled(small, "new", 1)]
        return [
            examples.add("t", one, None, by="ada"),
            examples.forget_label("t", "new", by="ada"),
        ]

    added, forgotten = together(client, changes)
    assert (added.version, forgotten.version) == (1, 1)
    assert not added.created
    assert client.get("/v1/tasks/t").json()["versions"] == 1


def test_two_servers_lose_nothing_of_each_other(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    servers = [serve(store=Store(objects)) for _ in range(2)]

    def change(number: int) -> set[str]:
        client = servers[number % 2]
        one = [labelled(small, f"label {number % 3}", number)]

        async def added() -> Examples:
            return await components(client).examples.add("t", one, None, by=f"{number % 2}")

        return set(client.portal.call(added).examples)  # type: ignore[union-attr]

    told = set().union(*pool.map(change, range(24)))
    assert len(told) == 24
    for client in servers:
        assert held(client, "t") == told


def test_a_change_that_the_other_server_overtakes_is_made_anew(
    serve: Serve, objects: WatchedObjects
) -> None:
    first, second = (serve(store=Store(objects)) for _ in range(2))
    teach(first, "t", {"dark": shades("dark", 2)})
    publisher = components(first).publisher
    supersede, overtaken = publisher.supersede, []

    async def late(task: str, former: int | None, data: bytes, *, by: str) -> Any:
        if not overtaken:
            answer = await asyncio.to_thread(teach, second, "t", {"light": shades("light", 1)})
            overtaken.append(answer.json()["version"])
        return await supersede(task, former, data, by=by)

    publisher.supersede = late  # type: ignore[method-assign]
    made = teach(first, "t", {"red": shades("red", 1)})
    assert overtaken == [2]
    assert made.json()["version"] == 4  # the third is of the first try, and was never live
    counted = {each["label"]: each["count"] for each in made.json()["labels"]}
    assert counted == {"dark": 2, "light": 1, "red": 1}
    activated = [
        event["version"]
        for event in first.get("/v1/tasks/t").json()["history"]
        if event["event"] == "activate"
    ]
    assert activated == [1, 2, 4]


def test_a_task_is_instant_as_long_as_an_instant_version_is_live(
    client: TestClient, small: Backbone
) -> None:
    teach(client, "t", {"dark": shades("dark", 2)})
    assert upload(client, task_file(small, "t")).status_code == 201
    assert_problem(teach(client, "t", {"red": shades("red", 1)}), 409, "made of examples")
    assert client.put("/v1/tasks/t/live", json={"version": 1}).status_code == 200
    assert teach(client, "t", {"red": shades("red", 1)}).json()["version"] == 3


def test_a_store_that_is_away_fails_all_who_wait(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    client = serve(store=Store(objects), host_budget=0)
    teach(client, "t", {"dark": shades("dark", 2)})

    def changes(examples: Any) -> list[Any]:
        return [
            examples.add("t", [labelled(small, "new", number)], None, by="ada")
            for number in range(3)
        ]

    objects.is_down = True
    assert [type(each) for each in together(client, changes)] == [StoreUnavailable] * 3
    objects.is_down = False
    assert {each.version for each in together(client, changes)} == {2}


def test_examples_of_another_backbone_are_left_alone(serve: Serve, objects: WatchedObjects) -> None:
    teach(serve(store=Store(objects)), "t", {"dark": shades("dark", 2)})
    other = serve(store=Store(objects), backbone=small_backbone(seed=1))
    words = "task 't': expected a version that can be served, found: fingerprint (weights)"
    assert_problem(teach(other, "t", {"red": shades("red", 1)}), 503, words)
    assert_problem(other.get("/v1/tasks/t/examples"), 503, words)
    assert_problem(other.delete("/v1/tasks/t/examples?label=dark"), 503, words)
    assert len(Store(objects).state("t").versions) == 1


def test_a_client_that_leaves_hinders_nobody(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    client = serve(store=Store(objects))
    examples = components(client).examples

    async def leave() -> Examples:
        def add(number: int) -> "asyncio.Task[Examples]":
            one = [labelled(small, "new", number)]
            return asyncio.ensure_future(examples.add("t", one, None, by="ada"))

        leaving, staying = add(1), add(2)
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert client.portal.call(leave).version == 1  # type: ignore[union-attr]
    assert held(client, "t") == {f"{1:016x}", f"{2:016x}"}


def test_a_server_that_shuts_down_takes_none(client: TestClient) -> None:
    teach(client, "t", {"dark": shades("dark", 2)})
    components(client).publisher.closed = True
    refused = teach(client, "t", {"red": shades("red", 1)})
    assert_problem(refused, 503, "shutting down")


def test_other_tasks_go_on_meanwhile(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    """A change of a task that waits for the store holds up no other task's."""
    client = serve(store=Store(objects), host_budget=0)
    teach(client, "slow", {"dark": shades("dark", 1)})
    objects.gate.clear()
    waiting = pool.submit(teach, client, "slow", {"red": shades("red", 1)})
    wait_until(lambda: objects.entered.acquire(blocking=False))
    begun = perf_counter()
    assert upload(client, numbered(small, "counter", 1)).status_code == 201
    assert perf_counter() - begun < 20
    objects.gate.set()
    assert waiting.result().json()["version"] == 2
