"""Versions over HTTP: the same bytes are the same version, deletion, and a full disk."""

from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, open_store
from facet_vision.prompts_store.storage.folder import Folder
from tests.prompts_store.small_disk import SmallDisk
from tests.service.support.app import ask, assert_problem, metrics, numbered, task_file, upload
from tests.service.support.residency import answer, components

Serve = Callable[..., TestClient]


def events(client: TestClient) -> list[tuple[str, int]]:
    history = client.get("/v1/tasks/counter").json()["history"]
    return [(event["event"], event["version"]) for event in history]


def test_the_same_bytes_are_the_same_version(client: TestClient, small: Backbone) -> None:
    first, second = (numbered(small, "counter", number) for number in (1, 2))
    made = upload(client, first)
    again = upload(client, first)
    assert (made.status_code, again.status_code) == (201, 200)
    assert again.json() == made.json()
    assert again.headers["location"] == made.headers["location"]
    assert events(client) == [("publish", 1), ("activate", 1)]
    assert upload(client, second).status_code == 201
    assert metrics(client)['facet_task_changes_total{change="publish"}'] == 2
    stored = upload(client, first, activate="false")
    assert (stored.status_code, stored.json()["live"]) == (200, False)
    assert answer(client, "counter") == (2, "v2")
    live = upload(client, second, activate="false")
    assert (live.status_code, live.json()["live"]) == (200, True)
    back = upload(client, first)
    assert (back.status_code, back.json()["version"], back.json()["live"]) == (200, 1, True)
    assert answer(client, "counter") == (1, "v1")
    assert events(client)[-3:] == [("publish", 2), ("activate", 2), ("activate", 1)]


def test_that_is_documented(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    answers = paths["/v1/tasks/{task}/versions"]["post"]["responses"]
    schemas = [answers[s]["content"]["application/json"]["schema"] for s in ("200", "201")]
    assert schemas[0] == schemas[1]
    assert "already" in answers["200"]["description"]
    assert "204" in paths["/v1/tasks/{task}/versions/{version}"]["delete"]["responses"]


def test_a_version_is_deleted_and_its_number_never_used_again(
    serve: Serve, small: Backbone, tmp_path: Path
) -> None:
    client = serve(store=open_store(tmp_path))
    data = {number: numbered(small, "counter", number) for number in (1, 2, 3)}
    for file in data.values():
        upload(client, file)
    url = "/v1/tasks/counter/versions"
    refused = client.delete(f"{url}/3")
    assert_problem(refused, 409, "'counter'", "not live", "3")
    assert refused.json()["type"] == "urn:facet:problem:version-live"
    for number in (1, 2):
        deleted = client.delete(f"{url}/{number}")
        assert (deleted.status_code, deleted.content) == (204, b"")
    assert [path.name for path in tmp_path.glob("counter/versions/*")] == ["000003.safetensors"]
    for gone in (client.get(f"{url}/2"), client.delete(f"{url}/2")):
        assert_problem(gone, 404, "'counter'", "2", "deleted")
    assert_problem(client.put("/v1/tasks/counter/live", json={"version": 2}), 404, "deleted")
    assert_problem(client.delete(f"{url}/9"), 404, "9")
    assert_problem(client.delete("/v1/tasks/nobody/versions/1"), 404, "'nobody'")
    assert events(client)[-2:] == [("delete", 1), ("delete", 2)]
    assert [each["number"] for each in client.get("/v1/tasks/counter").json()["stored"]] == [3]
    assert answer(client, "counter") == (3, "v3")
    assert metrics(client)['facet_task_changes_total{change="delete"}'] == 2
    client.delete("/v1/tasks/counter")
    assert client.delete(f"{url}/3").status_code == 204
    made = upload(client, data[3])  # its bytes are gone, so it is another version
    assert (made.status_code, made.json()["version"]) == (201, 4)
    assert answer(client, "counter") == (4, "v3")


def test_a_deleted_version_leaves_host_memory(client: TestClient, small: Backbone) -> None:
    for number in (1, 2):
        upload(client, numbered(small, "counter", number))
    bank = components(client).bank
    resident, first = bank.find("counter"), numbered(small, "counter", 1)
    assert resident is not None
    bank.host.put("counter", type(bank.host.find("counter"))(1, first), len(first))
    assert client.delete("/v1/tasks/counter/versions/1").status_code == 204
    assert bank.data("counter", 1) is None
    assert answer(client, "counter") == (2, "v2")


def test_a_full_disk_is_told_and_a_way_out_is_left(
    serve: Serve, small: Backbone, tmp_path: Path
) -> None:
    store = Store(Folder(tmp_path, SmallDisk(tmp_path, 700_000)))
    client = serve(store=store)
    labels = [str(label) for label in range(500)]  # so that a few files fill it
    number = 0
    while True:
        made = upload(client, task_file(small, "counter", seed=number, labels=labels))
        if made.status_code != 201:
            break
        number += 1
    assert number >= 3
    assert_problem(made, 507, "expected room", "full")
    assert made.json()["type"] == "urn:facet:problem:store-full"
    assert str(tmp_path) not in made.text
    again = upload(client, task_file(small, "other", labels=labels))
    assert_problem(again, 507, "expected room")
    assert [task["task"] for task in client.get("/v1/tasks").json()["tasks"]] == ["counter"]
    shown = client.get("/v1/tasks/counter").json()
    assert (shown["live"], len(shown["stored"])) == (number, number)
    for version in (1, 2, 1):
        assert client.put("/v1/tasks/counter/live", json={"version": version}).status_code == 200
        assert answer(client, "counter")[0] == version
    assert client.delete("/v1/tasks/counter").status_code == 204
    assert_problem(ask(client, "counter"), 404, "retired")
    for version in range(2, number + 1):
        assert client.delete(f"/v1/tasks/counter/versions/{version}").status_code == 204
    made = upload(client, task_file(small, "counter", seed=100, labels=labels))
    assert (made.status_code, made.json()["version"]) == (201, number + 1)
    assert ask(client, "counter").status_code == 200
