"""Tasks that move between device, host memory and store while requests use them."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, open_store
from tests.service.support.app import (
    DEPTH,
    ask,
    assert_problem,
    metrics,
    numbered,
    png,
    task_file,
    upload,
)
from tests.service.support.processes import small_server
from tests.service.support.residency import (
    FILE,
    HEADER,
    WatchedObjects,
    answer,
    components,
    fill,
    held_reads,
    many,
    on_device,
    small_budget,
    wait_until,
)

Serve = Callable[..., TestClient]


# The walk through all tiers.


def test_a_small_bank_answers_as_one_that_holds_all(
    serve: Serve, small: Backbone, tmp_path: Path
) -> None:
    """Compare a server with room for a few of twenty tasks to one that holds all of them.

    A real server under random traffic from several clients.
    """
    names = [f"task-{number:02}" for number in range(20)]
    large = serve(store=open_store(tmp_path))
    for number, name in enumerate(names):
        layers, labels = (0, 1, DEPTH)[number % 3], [f"c{index}" for index in range(2 + number)]
        upload(
            large,
            task_file(small, name, layers=layers, tokens=1 + number, labels=labels, seed=number),
        )
    expected = {name: predictions(ask(large, name)) for name in names}
    with (
        small_server(tmp_path, device_budget="20KiB", host_budget="40KiB") as server,
        server.client() as client,
    ):
        wrong = with_clients(server.url, names, expected)
        seen = metrics(client)
    assert wrong == []
    lookups = {
        found: seen[f'facet_task_lookups_total{{found="{found}"}}']
        for found in ("device", "host", "store")
    }
    assert all(count > 5 for count in lookups.values()), lookups
    for tier, kind in (("device", "resident"), ("host", "hosted")):
        assert seen[f'facet_task_eviction_age_seconds_count{{tier="{tier}"}}'] > 0
        assert 0 < seen[f"facet_{kind}_bytes"] <= seen[f"facet_{kind}_budget_bytes"]
        assert 0 < seen[f"facet_{kind}_tasks"] < len(names)
    misses = lookups["host"] + lookups["store"]
    assert seen["facet_task_miss_seconds_count"] == misses
    assert seen['facet_task_load_seconds_count{source="store"}'] <= misses
    assert (
        seen["facet_leaving_bytes"]
        == seen["facet_waiting_lookups"]
        == seen["facet_task_load_failures_total"]
        == 0
    )
    assert seen["facet_known_tasks"] == len(names)


def predictions(response: Any) -> list[tuple[str, dict[str, float]]]:
    assert response.status_code == 200, response.text
    return [
        (
            result["task"],
            {
                ranked["label"]: pytest.approx(ranked["probability"], abs=1e-5)
                for ranked in result["predictions"]
            },
        )
        for result in response.json()["results"]
    ]


def with_clients(url: str, names: list[str], expected: dict[str, Any]) -> list[Any]:
    """Ask from four threads, one task or several at once; return what was not as expected."""

    def one(seed: int) -> list[Any]:
        pick, wrong = random.Random(seed), []
        with httpx.Client(base_url=url, timeout=30) as client:
            for _ in range(40):
                wanted = pick.sample(names, pick.choice([1, 1, 1, 5]))
                form = {"tasks": ",".join(wanted)}
                response = client.post("/v1/predict", files=[("file", ("a.png", png()))], data=form)
                found = predictions(response)
                if found != [expected[name][0] for name in wanted]:
                    wrong.append((wanted, found))
        return wrong

    with ThreadPoolExecutor(4) as pool:
        return [each for wrong in pool.map(one, range(4)) for each in wrong]


def test_a_start_reads_names_only(serve: Serve, small: Backbone, objects: WatchedObjects) -> None:
    fill(objects, many(small, 40))
    objects.counts.clear()
    client = serve(store=Store(objects))
    assert client.get("/readyz").status_code == 200
    assert objects.counts == {"listing": 1}
    assert metrics(client)["facet_known_tasks"] == 40

    assert answer(client, "task-07") == (1, "v7")
    assert objects.counts[FILE] == 1
    assert answer(client, "task-07") == (1, "v7")
    assert (objects.counts[FILE], objects.counts[HEADER], on_device(client)) == (1, 0, ["task-07"])

    for _ in range(2):  # what was read once for the list is cached
        listed = client.get("/v1/tasks", params={"limit": 5}).json()["tasks"]
        assert [task["labels"][0] for task in listed] == ["v0"] * 5
        # One more than listed shows that there is a next page.
        assert (objects.counts[FILE], objects.counts[HEADER]) == (1, 6)


def test_the_host_tier_spares_the_store(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 2))
    client = serve(store=Store(objects), device_budget=small_budget(small), host_budget="1MiB")
    for _ in range(5):
        assert answer(client, "task-00") == (1, "v0")
        assert answer(client, "task-01") == (1, "v1")
        assert on_device(client) == ["task-01"]
    assert objects.counts[FILE] == 2
    assert [task["place"] for task in client.get("/v1/tasks").json()["tasks"]] == ["host", "device"]
    without = serve(store=Store(objects), device_budget=small_budget(small), host_budget=0)
    objects.counts.clear()
    for _ in range(3):
        assert answer(without, "task-00") == (1, "v0")
        assert answer(without, "task-01") == (1, "v1")
    assert objects.counts[FILE] == 6
    assert [task["place"] for task in without.get("/v1/tasks").json()["tasks"]] == [
        "store",
        "device",
    ]


def test_a_task_that_no_tier_has_room_for_is_still_served(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 3))
    client = serve(store=Store(objects), device_budget=0, host_budget=0)
    upload(client, numbered(small, "task-02", 9))
    for _ in range(2):
        assert [answer(client, f"task-0{n}") for n in range(3)] == [(1, "v0"), (1, "v1"), (2, "v9")]
    assert on_device(client) == []
    assert metrics(client)["facet_leaving_bytes"] == 0


# Misses.


def test_concurrent_misses_of_a_task_share_one_load(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, many(small, 2))
    client = serve(store=Store(objects))
    with held_reads(objects):
        asking = [pool.submit(answer, client, "task-01") for _ in range(8)]
        wait_until(lambda: components(client).resolver.loads.waiting == 8)
    assert {future.result() for future in asking} == {(1, "v1")}
    assert objects.counts[FILE] == 1
    seen = metrics(client)
    assert (
        seen['facet_task_lookups_total{found="store"}']
        == seen["facet_task_miss_seconds_count"]
        == 8
    )
    assert seen['facet_task_load_seconds_count{source="store"}'] == 1


def test_a_load_that_takes_long_delays_no_other_task(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, many(small, 3))
    client = serve(store=Store(objects))
    assert answer(client, "task-00") == (1, "v0")
    with held_reads(objects):
        slow = pool.submit(answer, client, "task-01")
        assert objects.entered.acquire(timeout=10)
        for _ in range(20):
            assert answer(client, "task-00") == (1, "v0")
        assert upload(client, numbered(small, "task-02", 5)).status_code == 201
        assert answer(client, "task-02") == (2, "v5")
        assert client.get("/v1/tasks").status_code == 200
        assert not slow.done()
    assert slow.result() == (1, "v1")


def test_a_bounded_number_wait_for_loads_and_the_next_is_503(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, many(small, 4))
    client = serve(store=Store(objects), queue_limit=2)
    assert answer(client, "task-00") == (1, "v0")
    with held_reads(objects):
        waiting = [pool.submit(answer, client, name) for name in ("task-01", "task-02")]
        wait_until(lambda: components(client).resolver.loads.waiting == 2)
        refused = ask(client, "task-03")
        assert_problem(refused, 503, "loading: expected room to wait for 1 tasks, found 0")
        assert refused.json()["type"] == "urn:facet:problem:loading"
        assert int(refused.headers["retry-after"]) >= 1
        assert answer(client, "task-00") == (1, "v0")  # a task on the device does not wait
        assert metrics(client)["facet_waiting_lookups"] == 2
    assert [future.result() for future in waiting] == [(1, "v1"), (1, "v2")]
    assert answer(client, "task-03") == (1, "v3")


def test_a_deadline_ends_the_wait_for_a_load(
    serve: Serve, small: Backbone, objects: WatchedObjects
) -> None:
    fill(objects, many(small, 1))
    client = serve(store=Store(objects), deadline_seconds=0.2)
    with held_reads(objects):
        assert_problem(ask(client, "task-00"), 504, "deadline")
        assert components(client).resolver.loads.waiting == 0
    wait_until(lambda: on_device(client) == ["task-00"])  # a load that has begun is finished
    assert answer(client, "task-00") == (1, "v0")


def test_several_tasks_of_a_request_are_loaded_side_by_side(
    serve: Serve, small: Backbone, objects: WatchedObjects, pool: ThreadPoolExecutor
) -> None:
    fill(objects, many(small, 4))
    client = serve(store=Store(objects))
    answer(client, "task-02")
    with held_reads(objects):
        form: dict[str, Any] = {
            "files": [("file", ("a.png", png()))],
            "data": {"tasks": "task-03,task-02,task-00"},
        }
        asking = pool.submit(client.post, "/v1/predict", **form)
        for _ in range(3):
            assert objects.entered.acquire(timeout=10)
    results = asking.result().json()["results"]
    labels = [result["predictions"][0]["label"] for result in results]
    assert labels == ["v3", "v2", "v0"]
