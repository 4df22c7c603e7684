"""Asking a version by its number, whether it is live or not."""

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from tests.service.support.app import numbered, png, upload

ENCODED = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}


@pytest.fixture
def client(serve: Callable[..., TestClient], small: Backbone) -> TestClient:
    """A server with three versions of a task, of which the second is live."""
    client = serve()
    for number in (1, 2, 3):
        assert upload(client, numbered(small, "pets", number), activate=number == 2).is_success
    return client


def asked(client: TestClient, version: int) -> str:
    """The best label of a version's answer."""
    image: dict[str, Any] = {"name": "image", "shape": [1], "datatype": "BYTES"}
    image["parameters"] = {"binary_data_size": len(png()) + 4}
    output = {"name": "probabilities", "parameters": {"classification": 1, "binary_data": False}}
    head = json.dumps({"inputs": [image], "outputs": [output]}).encode()
    response = client.post(
        f"/v2/models/pets/versions/{version}/infer",
        content=head + struct.pack("<I", len(png())) + png(),
        headers=ENCODED | {"Inference-Header-Content-Length": str(len(head))},
    )
    assert response.status_code == 200, response.text
    assert response.json()["model_version"] == str(version)
    best: str = response.json()["outputs"][0]["data"][0]
    return best.rpartition(":")[2]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_stored_version_answers_for_itself(client: TestClient, version: int) -> None:
    assert asked(client, version) == f"v{version}"
    answer = client.post(
        "/v1/tasks/pets/predict", content=png(), headers={"Content-Type": "image/png"}
    )
    [result] = answer.json()["results"]
    assert (result["version"], result["predictions"][0]["label"]) == (2, "v2")


def test_one_that_is_not_live_is_not_kept(client: TestClient) -> None:
    before = client.get("/v1/tasks/pets").json()["resident_bytes"]
    asked(client, 1)
    assert client.get("/v1/tasks/pets").json()["resident_bytes"] == before


def test_a_version_that_is_not_stored_is_unknown(client: TestClient) -> None:
    for version in (4, 999):
        url = f"/v2/models/pets/versions/{version}/infer"
        response = client.post(url, content=png(), headers=ENCODED)
        assert response.status_code == 404
        assert "expected a stored one" in response.json()["error"]
    assert client.delete("/v1/tasks/pets/versions/1").status_code == 204
    assert (
        client.post("/v2/models/pets/versions/1/infer", content=png(), headers=ENCODED).status_code
        == 404
    )
