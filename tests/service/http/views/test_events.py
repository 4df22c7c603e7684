"""The last changes of all tasks over HTTP."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from facet_vision.service.residency import listing
from tests.service.support.app import assert_problem, task_file, upload
from tests.service.support.keys import Keys

Serve = Callable[..., TestClient]


def told(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [f"{each['event']} {each['task']} {each['version']}" for each in answer.json()["events"]]


def test_they_are_the_newest_first_with_who_made_them(client: TestClient, small: Backbone) -> None:
    assert client.get("/v1/events").json() == {"events": [], "unread": 0}
    upload(client, task_file(small, "cars"))
    upload(client, task_file(small, "pets"), activate=False)
    client.delete("/v1/tasks/cars")
    changes = ["retire cars 1", "publish pets 1", "activate cars 1", "publish cars 1"]
    answer = client.get("/v1/events")
    assert told(answer) == changes
    first = answer.json()["events"][0]
    assert first["by"].startswith("http:")
    assert set(first) == {"task", "event", "version", "at", "by"}
    assert told(client.get("/v1/events", params={"limit": 2})) == changes[:2]


def test_a_key_sees_those_of_its_tasks(serve: Serve, small: Backbone, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    root, team = keys.add("root"), keys.add("team", "publish", tasks=["team-*"])
    client = serve(keys_file=keys.path)
    client.headers.update(root)
    for name in ("team-a", "other", "team-b"):
        upload(client, task_file(small, name), activate=False)
    assert told(client.get("/v1/events", headers=team)) == ["publish team-b 1", "publish team-a 1"]
    assert {each["by"] for each in client.get("/v1/events").json()["events"]} == {"root"}
    assert client.get("/v1/events", headers={"Authorization": ""}).status_code == 401


def test_after_a_start_few_histories_are_read_and_of_many_it_is_told(
    serve: Serve, small: Backbone, tmp_path: Path, monkeypatch: Any
) -> None:
    first = serve(store=open_store(tmp_path))
    for name in ("a", "b", "c"):
        upload(first, task_file(small, name), activate=False)
    monkeypatch.setattr(listing, "HISTORIES_AT_ONCE", 2)
    client = serve(store=open_store(tmp_path))
    assert client.get("/v1/events").json() == {"events": [], "unread": 3}
    client.get("/v1/tasks/b")
    assert told(client.get("/v1/events")) == ["publish c 1", "publish b 1", "publish a 1"]
    assert client.get("/v1/events").json()["unread"] == 0


def test_a_limit_that_is_none_is_refused(client: TestClient) -> None:
    for limit in ("0", "1001", "x", "05"):
        assert_problem(client.get("/v1/events", params={"limit": limit}), 422, "limit: ")
    assert_problem(client.get("/v1/events", params={"since": 1}), 422, "since: expected one of")
