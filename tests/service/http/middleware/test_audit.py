"""A line for every change that was asked for, and no secret in any line."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from tests.service.support.app import PNG, TASK_FILE, ask, png, task_file, upload
from tests.service.support.keys import Keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    keys = Keys(tmp_path / "keys.json")
    for name in ("ci", "reader"):
        keys.add(name, *(["infer", "publish"] if name == "ci" else ["infer"]))
    return keys


@pytest.fixture
def client(serve: Callable[..., TestClient], keys: Keys) -> TestClient:
    return serve(keys_file=keys.path)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    found = [each for each in caplog.records if each.name == "facet.audit"]
    return [json.loads(each.getMessage()) for each in found]


def test_each_change_is_recorded(
    client: TestClient, keys: Keys, small: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = task_file(small, "pets").to_bytes()
    client.headers.update(keys.shown("ci"))
    upload(client, data)
    client.put("/v1/tasks/pets/live", json={"version": 1})
    client.delete("/v1/tasks/pets", headers={"X-Request-ID": "order-17"})
    published, activated, retired = lines(caplog)
    sha256 = hashlib.sha256(data).hexdigest()
    common = {"by": "ci", "from": "testclient", "task": "pets", "version": 1, "sha256": sha256}
    for line in (published, activated, retired):
        assert line.items() >= (common | {"outcome": "done"}).items()
    assert published["what"] == "POST /v1/tasks/pets/versions"
    assert activated["what"] == "PUT /v1/tasks/pets/live"
    assert retired["what"] == "DELETE /v1/tasks/pets"
    assert retired["request"] == "order-17"
    assert published["at"].endswith("+00:00")


def test_so_is_each_that_was_refused(
    client: TestClient, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = "/v1/tasks/pets/versions"
    client.post(path, content=b"no task file", headers=TASK_FILE | keys.shown("ci"))
    client.post(path, content=b"no task file", headers=TASK_FILE | keys.shown("reader"))
    client.post(path, content=b"no task file", headers=TASK_FILE)
    client.delete("/v1/tasks/pets", headers=keys.shown("ci"))
    client.delete("/v1/tasks/pets", headers=keys.shown("ci") | {"Origin": "http://evil.example"})
    found = lines(caplog)
    assert [(line["outcome"], line.get("by"), line["reason"]) for line in found] == [
        ("refused", "ci", "bad-task-file"),
        ("refused", "reader", "forbidden"),
        ("refused", None, "unauthorized"),
        ("refused", "ci", "unknown-task"),
        ("refused", None, "foreign-origin"),
    ]
    assert found[0]["sha256"] == hashlib.sha256(b"no task file").hexdigest()


def test_what_changes_nothing_is_not(
    client: TestClient, keys: Keys, small: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    client.headers.update(keys.shown("ci"))
    upload(client, task_file(small, "pets"))
    caplog.clear()
    caplog.set_level(logging.INFO)
    assert ask(client, "pets").status_code == 200
    client.post("/v1/predict", content=b"")
    client.post("/v1/tasks/pets/predict", headers={"Authorization": "Bearer wrong"})
    client.get("/v1/tasks/pets")
    client.post("/nowhere")
    assert lines(caplog) == []


def test_no_line_of_the_log_holds_a_secret(
    client: TestClient, keys: Keys, small: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "facet_000000000000_WRONGSECRET"
    for header in (keys.shown("ci"), {"Authorization": f"Bearer {wrong}"}):
        client.headers.update(header)
        upload(client, task_file(small, "pets"))
        ask(client, "pets")
        client.get("/v1/tasks")
        client.put("/v1/tasks/pets/live", content=b"{")
        client.post("/v1/tasks/pets/predict", content=png()[:40], headers=PNG)
    assert caplog.records
    told = "\n".join(f"{each.getMessage()} {each.__dict__}" for each in caplog.records)
    for text in (*keys.texts.values(), wrong):
        assert text.split("_", 2)[2] not in told
