"""The builtin tasks through a real server: what their manifests claim is what clients get."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facet_vision.prompts_store import TaskFile, builtin
from facet_vision.training.data.datasets import load
from tests.service.support.processes import Server, command

FACET = Path(sys.executable).with_name("facet")
FILES_PER_REQUEST = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with command(str(FACET), "serve", port=0, store=tmp_path_factory.mktemp("store")) as running:
        yield running


def test_all_of_them_are_served(server: Server) -> None:
    with server.client() as client:
        listed = {task["task"]: task for task in client.get("/v1/tasks").json()["tasks"]}
    assert sorted(listed) == builtin.names()
    assert len(listed) >= 5
    assert all(task["state"] == "live" for task in listed.values())


@pytest.mark.parametrize("task", builtin.names())
def test_its_samples_are_answered(server: Server, task: str) -> None:
    with server.client() as client:
        for sample in builtin.samples(task):
            answer = client.post(
                f"/v1/tasks/{task}/predict",
                content=sample.read_bytes(),
                headers={"Content-Type": "image/png"},
            )
            assert answer.status_code == 200, answer.text


def test_held_out_digits_reach_the_accuracy_of_the_manifest(server: Server) -> None:
    """797 real handwritten digits as PNG files over HTTP, within half a point of the manifest."""
    data = load("digits")
    assert len(data.test) == 797
    right = 0
    with server.client() as client:
        for start in range(0, len(data.test), FILES_PER_REQUEST):
            rows = range(start, min(start + FILES_PER_REQUEST, len(data.test)))
            files = [
                ("file", (f"{row}.png", _png(data.test.image(row)), "image/png")) for row in rows
            ]
            results = client.post("/v1/tasks/digits/predict?top_k=1", files=files).json()["results"]
            found = [result["predictions"][0]["label"] for result in results]
            right += sum(
                label == data.labels[data.test.targets[row]]
                for label, row in zip(found, rows, strict=True)
            )
    claimed = TaskFile.from_bytes(builtin.read("digits")).manifest.metrics["accuracy"]
    assert abs(right / len(data.test) - claimed) <= 0.005, json.dumps(
        {"found": right / 797, "claimed": claimed}
    )


def _png(image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
