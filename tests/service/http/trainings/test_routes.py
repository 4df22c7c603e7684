"""Trainings over HTTP, with a stand-in for `facet train`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.prompts_store import open_store
from tests.service.support.app import assert_problem, metrics
from tests.service.support.keys import Keys
from tests.service.support.trainings import Fake, created, eventually, send, state

Serve = Callable[..., TestClient]


def events(client: TestClient, id: str, until: str, last: str = "") -> list[dict[str, Any]]:
    """The events of a training up to the first of a kind."""
    found: list[dict[str, Any]] = []
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", f"/v1/trainings/{id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                event[name] = json.loads(value) if name == "data" else value
            elif not line and event:
                found.append(event)
                if event["event"] == until:
                    return found
                event = {}
    return found


def test_the_whole_story(serve: Serve, fake: Fake) -> None:
    client = serve()
    made = client.post("/v1/trainings", json={"task": "t", "method": "linear"})
    training = made.json()
    id = training["id"]
    assert made.headers["location"] == f"/v1/trainings/{id}"
    assert (training["state"], training["labels"], training["by"]) == (
        *("collecting", []),
        "http:testclient",
    )
    sent = send(client, id, {"red": 2, "blue": 3}).json()["images"]
    assert [each["file"] for each in sent][:3] == ["red-0.png", "red-1.png", "blue-0.png"]
    assert client.get(f"/v1/trainings/{id}/images").json()["images"] == sent
    started = client.post(f"/v1/trainings/{id}/start").json()
    assert started["state"] == "queued"
    assert started["labels"] == [{"label": "blue", "count": 3}, {"label": "red", "count": 2}]
    eventually(lambda: client.get(f"/v1/trainings/{id}").json()["progress"] is not None)
    shown = client.get(f"/v1/trainings/{id}").json()
    assert (shown["state"], shown["progress"]["total"]) == ("running", 3)
    fake.let_go()
    eventually(lambda: state(client, id) == "done")
    result = client.get(f"/v1/trainings/{id}").json()["result"]
    assert result["wrong"][0]["image"] == sent[0]["id"]
    assert result["doubtful"][0]["image"] == sent[0]["id"]
    assert (result["accuracy"], result["interval"]) == (0.5, [0.1, 0.9])

    published = client.post(f"/v1/trainings/{id}/publish", json={})
    assert (published.status_code, published.json()["version"]) == (201, 1)
    assert published.headers["location"] == "/v1/tasks/t/versions/1"
    again = client.post(f"/v1/trainings/{id}/publish", json={"activate": False})
    assert (again.status_code, again.json()["version"]) == (200, 1)
    assert client.get("/v1/tasks/t").json()["live"] == 1
    (listed,) = client.get("/v1/trainings").json()["trainings"]
    assert (listed["published"], listed.get("result")) == (1, None)
    assert metrics(client)['facet_trainings{state="done"}'] == 1.0

    assert client.delete(f"/v1/trainings/{id}").status_code == 204
    assert_problem(client.get(f"/v1/trainings/{id}"), 404, "expected one of that id")
    assert client.get("/v1/tasks/t").json()["live"] == 1


def test_events_are_replayed_and_come_as_they_happen(serve: Serve, fake: Fake) -> None:
    client = serve()
    id = created(client)
    client.post(f"/v1/trainings/{id}/start")
    fake.let_go()
    told = events(client, id, until="result")
    assert [each["data"]["state"] for each in told if each["event"] == "state"] == [
        *("queued", "running", "done"),
    ]
    progress = [each["data"] for each in told if each["event"] == "progress"]
    assert progress[-1] == {
        "phase": "training",
        "done": 3,
        "total": 3,
        "loss": 1 / 3,
        "score": None,
        "method": "linear",
    }
    assert told[-1]["data"]["accuracy"] == 0.5
    assert events(client, id, until="result") == told
    later = events(client, id, until="result", last=told[-3]["id"])
    assert later == told[-2:]
    assert events(client, id, until="result", last="of-another-process") == told


def test_head_of_the_events_has_an_end(serve: Serve) -> None:
    client = serve()
    answer = client.head(f"/v1/trainings/{created(client)}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""


def test_one_trains_at_a_time_and_one_that_waits_can_be_cancelled(serve: Serve, fake: Fake) -> None:
    client = serve()
    first, second, third = (created(client) for _ in range(3))
    for id in (first, second, third):
        assert client.post(f"/v1/trainings/{id}/start").json()["state"] == "queued"
    eventually(lambda: state(client, first) == "running")
    assert (state(client, second), state(client, third)) == ("queued", "queued")
    assert client.post(f"/v1/trainings/{second}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/v1/trainings/{first}/cancel").json()["state"] == "cancelled"
    eventually(lambda: state(client, third) == "running")
    fake.let_go()
    eventually(lambda: state(client, third) == "done")
    assert [state(client, id) for id in (first, second)] == ["cancelled", "cancelled"]
    assert_problem(client.post(f"/v1/trainings/{first}/cancel"), 409, "found it cancelled")
    assert_problem(client.post(f"/v1/trainings/{first}/publish", json={}), 409, "expected it done")
    assert fake.runs == 2
    client.post(f"/v1/trainings/{first}/start")  # anew
    eventually(lambda: state(client, first) == "done")


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("broken", "data: expected <b>sense</b>, found none"),
        ("mute", "facet train ended with status 7"),
    ],
)
def test_a_failure_is_one_sentence_and_a_correction_trains_anew(
    serve: Serve, fake: Fake, label: str, sentence: str
) -> None:
    fake.let_go()
    client = serve()
    id = created(client)
    images = send(client, id, {label: 2}).json()["images"]
    client.post(f"/v1/trainings/{id}/start")
    eventually(lambda: state(client, id) == "failed")
    assert client.get(f"/v1/trainings/{id}").json()["error"] == sentence
    first, second = (each["id"] for each in images)
    changed = client.put(f"/v1/trainings/{id}/images/{first}", json={"label": " green "})
    assert changed.json() == {"id": first, "label": "green", "file": f"{label}-0.png"}
    assert client.delete(f"/v1/trainings/{id}/images/{second}").status_code == 204
    send(client, id, {"green": 2})
    client.post(f"/v1/trainings/{id}/start")
    eventually(lambda: state(client, id) == "done")
    assert client.get(f"/v1/trainings/{id}").json()["error"] is None


def test_too_little_to_learn_from(serve: Serve) -> None:
    client = serve()
    id = client.post("/v1/trainings", json={"task": "t"}).json()["id"]  # method auto
    start = f"/v1/trainings/{id}/start"
    assert_problem(client.post(start), 409, "at least 2 labels, found none")
    send(client, id, {"red": 2})
    assert_problem(client.post(start), 409, "at least 2 labels, found only 'red'")
    send(client, id, {"red": 4, "blue": 3})
    assert_problem(client.post(start), 409, "4 images of each label, found 3 of 'blue'")


@pytest.mark.parametrize(
    ("document", "status", "sentence"),
    [
        ({"task": "../x"}, 422, "task name"),
        ({"task": "t", "method": "full"}, 422, "method"),
        ({"task": "t", "method": "linear", "budget_seconds": 5}, 422, "without method auto"),
        ({"task": "t", "budget_seconds": 0}, 422, "budget_seconds"),
        ({"task": "t", "keep_seconds": 1}, 422, "keep_seconds"),
        ({"task": "t", "out": "/etc/passwd"}, 422, "out"),
        ({}, 422, "task"),
    ],
)
def test_what_is_no_plan_is_refused(
    serve: Serve, document: dict[str, Any], status: int, sentence: str
) -> None:
    client = serve()
    assert_problem(client.post("/v1/trainings", json=document), status, sentence)
    assert client.get("/v1/trainings").json() == {"trainings": []}


def test_a_server_that_trains_nothing_says_so(serve: Serve) -> None:
    client = serve(max_trainings=0)
    refused = client.post("/v1/trainings", json={"task": "t"})
    assert_problem(refused, 403, "found max_trainings 0")


def test_as_many_as_may_be_kept(serve: Serve) -> None:
    client = serve(max_trainings=2)
    ids = [created(client) for _ in range(2)]
    refused = client.post("/v1/trainings", json={"task": "t"})
    assert_problem(refused, 409, "at most 2 that are kept on this server, found 2")
    client.delete(f"/v1/trainings/{ids[0]}")
    created(client)


def test_two_keys_do_not_see_each_other(serve: Serve, tmp_path: Any) -> None:
    keys = Keys(tmp_path / "keys.json")
    mine, theirs = keys.add("mine", tasks=["a-*"]), keys.add("theirs", tasks=["b-*"])
    asks = keys.add("asks", "infer")
    client = serve(keys_file=keys.path, store=open_store(tmp_path / "store"))
    client.headers.update(mine)
    id = created(client, "a-1")
    image = client.get(f"/v1/trainings/{id}/images").json()["images"][0]["id"]
    assert_problem(client.post("/v1/trainings", json={"task": "b-1"}), 403, "that it covers")
    client.headers.update(theirs)
    assert client.get("/v1/trainings").json() == {"trainings": []}
    calls = [
        *(("GET", ""), ("DELETE", ""), ("GET", "/images"), ("GET", "/events")),
        *(("POST", "/start"), ("POST", "/cancel"), ("POST", "/publish"), ("POST", "/images")),
        *((method, f"/images/{image}") for method in ("GET", "PUT", "DELETE")),
    ]
    for method, path in calls:
        there, absent = (
            client.request(method, f"/v1/trainings/{each}{path}") for each in (id, "0" * 16)
        )
        assert_problem(there, 404, "expected one of that id, found none")
        assert there.json()["detail"].replace(id, "0" * 16) == absent.json()["detail"]
    client.headers.update(asks)
    assert_problem(client.get("/v1/trainings"), 403, "'publish'")
    client.headers.update(mine)
    assert state(client, id) == "collecting"
