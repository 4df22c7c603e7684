"""Sample images of a task over HTTP: shown as images, and as nothing else."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile, builtin, open_store
from facet_vision.prompts_store.samples.facts import SampleFacts
from facet_vision.prompts_store.taskfile import sample_bytes
from tests.service.support.app import DEPTH, assert_problem, png, small_backbone, task_file, upload
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server

Serve = Callable[..., TestClient]


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(buffer, "JPEG")
    return buffer.getvalue()


IMAGES = [("cat <b>", "image/png", png(1)), ("dog", "image/jpeg", jpeg())]


def with_samples(on: Backbone, images: Any = IMAGES, task: str = "pets", seed: int = 0) -> TaskFile:
    file = task_file(on, task, layers=DEPTH, seed=seed)
    facts = tuple(SampleFacts(label=label, media_type=kind) for label, kind, _ in images)
    tensors = tuple(torch.tensor(list(data), dtype=torch.uint8) for _, _, data in images)
    manifest = file.manifest.model_copy(update={"samples": facts or None})
    return replace(file, manifest=manifest, samples=tensors)


def check(client: Any) -> None:
    listed = client.get("/v1/tasks/pets/samples")
    assert listed.json() == {
        "samples": [{"label": label, "media_type": kind} for label, kind, _ in IMAGES]
    }
    for number, (_, kind, data) in enumerate(IMAGES):
        path = f"/v1/tasks/pets/samples/{number}"
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        name = f"pets-{number}.{kind.removeprefix('image/')}"
        assert answer.headers["content-disposition"] == f'inline; filename="{name}"'
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.head(path).status_code == 200


def test_they_are_those_of_the_file(client: TestClient, small: Backbone) -> None:
    assert upload(client, with_samples(small)).status_code == 201
    check(client)
    shown = client.get("/v1/tasks/pets").json()["manifest"]["samples"]
    assert [each["label"] for each in shown] == ["cat <b>", "dog"]


def test_they_are_those_of_the_live_version(client: TestClient, small: Backbone) -> None:
    upload(client, with_samples(small))
    upload(client, with_samples(small, IMAGES[1:], seed=1))
    assert client.get("/v1/tasks/pets/samples/0").content == IMAGES[1][2]
    client.put("/v1/tasks/pets/live", json={"version": 1})
    assert client.get("/v1/tasks/pets/samples/0").content == IMAGES[0][2]
    upload(client, task_file(small, "pets"))
    assert client.get("/v1/tasks/pets/samples").json() == {"samples": []}
    assert_problem(client.get("/v1/tasks/pets/samples/0"), 404, "expected one of the 0 of task")
    client.delete("/v1/tasks/pets")
    assert client.get("/v1/tasks/pets/samples").json() == {"samples": []}


def test_they_are_read_from_the_store_where_memory_has_no_room(
    serve: Serve, small: Backbone, tmp_path: Path
) -> None:
    client = serve(store=open_store(tmp_path), device_budget=0, host_budget=0)
    assert upload(client, with_samples(small)).status_code == 201
    check(client)


@pytest.mark.parametrize("number", ["2", "7"])
def test_a_number_that_there_is_not_is_refused(
    client: TestClient, small: Backbone, number: str
) -> None:
    upload(client, with_samples(small))
    answer = client.get(f"/v1/tasks/pets/samples/{number}")
    assert_problem(answer, 404, f"sample: expected one of the 2 of task 'pets', found {number}")
    assert answer.json()["type"] == "urn:facet:problem:unknown-sample"


@pytest.mark.parametrize("number", ["8", "-1", "00", "x", "1.0"])
def test_what_is_no_number_of_a_sample_is_refused(client: TestClient, number: str) -> None:
    assert_problem(client.get(f"/v1/tasks/pets/samples/{number}"), 422, "sample: ")


def test_of_a_task_that_there_is_not(client: TestClient) -> None:
    assert client.get("/v1/tasks/pets/samples").status_code == 404
    assert client.get("/v1/tasks/pets/samples/0").status_code == 404


def bomb() -> bytes:
    """A PNG of 16 million pixels in few bytes."""
    buffer = io.BytesIO()
    Image.new("1", (4000, 4000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png()[:-30], "damaged"),
        (b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", ""),
        (bomb(), "expected at most 1048576 pixels"),
    ],
)
def test_an_upload_with_a_sample_that_is_no_sound_image_is_refused(
    client: TestClient, small: Backbone, data: bytes, words: str
) -> None:
    images = [IMAGES[0], ("dog", "image/png", data)]
    refused = upload(client, with_samples(small, images))
    assert_problem(refused, 422, "sample 1: image: expected", words)
    assert client.get("/v1/tasks/pets").status_code == 404


def test_a_key_must_cover_the_task(serve: Serve, small: Backbone, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    root, other = keys.add("root"), keys.add("other", tasks=["zoo"])
    client = serve(keys_file=keys.path)
    client.headers.update(root)
    assert upload(client, with_samples(small)).status_code == 201
    for path in ("/v1/tasks/pets/samples", "/v1/tasks/pets/samples/0"):
        assert client.get(path).status_code == 200
        assert_problem(client.get(path, headers=other), 403, "expected a task that it covers")


def test_http_workers_pass_them_on(tmp_path: Path) -> None:
    with small_server(tmp_path, http_workers=1) as server, server.client() as client:
        assert upload(client, with_samples(small_backbone())).status_code == 201
        check(client)


@pytest.mark.parametrize("task", builtin.names())
def test_a_builtin_task_carries_its_samples(task: str) -> None:
    file = TaskFile.from_bytes(builtin.read(task))
    images = {sample.read_bytes() for sample in builtin.samples(task)}
    assert {sample_bytes(each) for each in file.samples} == images
    assert {each.label for each in file.manifest.samples or ()} <= set(file.manifest.labels)
