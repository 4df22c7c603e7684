"""Tasks that may give no label, over HTTP."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone, decode_image
from facet_vision.prompts_store import TaskFile
from facet_vision.service.http.schemas import PredictResponse
from tests.service.support.app import (
    DEPTH,
    ask,
    assert_problem,
    png,
    sure,
    task_file,
    upload,
)

OWN = png(1), png(2)
"""An image for each of the labels that a task knows."""

ASKED = {"label", "distance", "threshold"}


def plain(colour: str) -> bytes:
    """An image of one colour, unlike the noise of the others."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def known(small: Backbone) -> Callable[..., TaskFile]:
    """Makes tasks that answer the images OWN and few others."""

    def make(name: str = "pets", **options: Any) -> TaskFile:
        return sure(small, task_file(small, name, **options), OWN, most=0.05)

    return make


def only(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    PredictResponse.model_validate(response.json(), strict=True)
    (result,) = response.json()["results"]
    return result


@pytest.mark.parametrize("layers", [0, 1, DEPTH])
def test_an_image_of_no_class_gets_no_label(
    client: TestClient, known: Callable[..., TaskFile], layers: int
) -> None:
    upload(client, known(layers=layers))
    for image in OWN:
        found = only(ask(client, "pets", image, abstain="true"))
        assert found["label"] == found["predictions"][0]["label"]
        assert found["distance"] <= found["threshold"] == 0.05
        assert "reason" not in found
    found = only(ask(client, "pets", plain("red"), abstain="true"))
    assert found["label"] is None
    assert found["distance"] > found["threshold"]
    assert found["reason"] == (
        f"the image's distance from the nearest class is {found['distance']:.4g}, above 0.05, "
        "within which 95% of images like the task's own are"
    )
    assert len(found["predictions"]) == 2


def test_who_does_not_ask_gets_what_there_was(
    client: TestClient, known: Callable[..., TaskFile]
) -> None:
    upload(client, known())
    for query in ({}, {"abstain": "false"}):
        found = only(ask(client, "pets", plain("red"), **query))
        assert set(found) == {"image", "task", "version", "predictions", "timings"}
        asking = only(ask(client, "pets", plain("red"), abstain="true"))
        assert asking["predictions"] == found["predictions"]


def test_several_tasks_and_images(client: TestClient, known: Callable[..., TaskFile]) -> None:
    upload(client, known("pets", layers=DEPTH))
    upload(client, known("other", labels=("x", "y"), seed=4))
    files = [("file", ("own.png", OWN[0])), ("file", ("red.png", plain("red")))]
    query = {"abstain": "true", "top_k": 1}
    for tasks in ("pets, other", "*"):
        response = client.post("/v1/predict", files=files, data={"tasks": tasks}, params=query)
        results = response.json()["results"]
        answered = [(each["file"], each["label"] is None) for each in results]
        assert answered == [("own.png", False)] * 2 + [("red.png", True)] * 2
        assert all(set(each) >= ASKED for each in results)
        assert all(len(each["predictions"]) == 1 for each in results)


def test_a_task_without_a_threshold_is_refused(
    client: TestClient, small: Backbone, known: Callable[..., TaskFile]
) -> None:
    upload(client, task_file(small, "old"))
    upload(client, known("pets"))
    words = ("abstain: expected", "version 1 of task 'old'", "states none")
    assert_problem(ask(client, "old", abstain="true"), 409, *words)
    files = [("file", ("own.png", OWN[0]))]
    for tasks in ("pets, old", "*"):
        response = client.post(
            "/v1/predict", files=files, data={"tasks": tasks}, params={"abstain": "true"}
        )
        assert_problem(response, 409, *words)
        assert response.json()["type"] == "urn:facet:problem:no-threshold"
    assert only(ask(client, "pets", OWN[0], abstain="true"))["label"]


def test_values_that_are_none(client: TestClient, known: Callable[..., TaskFile]) -> None:
    upload(client, known())
    for value in ("maybe", "0.5", ""):
        assert_problem(ask(client, "pets", abstain=value), 422, "abstain")


def test_labels_by_their_own_thresholds(client: TestClient, small: Backbone) -> None:
    """With several labels on an image, however few are shown with their numbers."""
    labels, logits = ("red", "blue", "dark"), [2.0, -1.0, 0.5]
    probabilities = torch.tensor(logits).sigmoid().tolist()
    options: dict[str, Any] = {"labels": labels, "bias": logits, "activation": "sigmoid"}
    upload(client, task_file(small, "some", class_thresholds=(0.9, 0.2, 0.5), **options))
    found = only(ask(client, "some", abstain="true", top_k=1))
    assert found["labels"] == ["blue", "dark"]
    assert [each["label"] for each in found["predictions"]] == ["red"]
    assert not {"label", "distance", "threshold", "reason"} & set(found)
    upload(client, task_file(small, "none", class_thresholds=(0.9, 0.5, 0.7), **options))
    found = only(ask(client, "none", abstain="true"))
    assert found["labels"] == []
    assert found["reason"] == (
        f"no label reaches its threshold: the nearest is 'red' with {probabilities[0]:.4g} of 0.9"
    )
    upload(client, task_file(small, "old", **options))
    assert_problem(ask(client, "old", abstain="true"), 409, "'old'")


# The temperature, which is in the head.


def logits_of(on: Backbone, file: TaskFile, image: bytes) -> torch.Tensor:
    with torch.inference_mode():
        pixels = on.preprocess(decode_image(image))[None]
        return file.head(on.features(pixels, file.prompts, form="tokens"))[0]


@pytest.mark.parametrize("layers", [0, DEPTH])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_probabilities_are_those_of_divided_logits(
    client: TestClient, small: Backbone, layers: int, activation: Any
) -> None:
    file = task_file(small, "pets", layers=layers, temperature=2.5, activation=activation)
    upload(client, file)
    divided = logits_of(small, file, png(7)) / 2.5
    expected = divided.softmax(-1) if activation == "softmax" else divided.sigmoid()
    found = only(ask(client, "pets", png(7)))["predictions"]
    by_label = {each["label"]: each["probability"] for each in found}
    assert [by_label[label] for label in ("cat", "dog")] == pytest.approx(
        expected.tolist(), abs=1e-5
    )
    # every protocol has the same head: its logits are the divided ones
    encoded = base64.b64encode(png(7)).decode()
    wanted = {"inputs": encoded, "parameters": {"function_to_apply": "none"}}
    scores = {each["label"]: each["score"] for each in client.post("/hf/pets", json=wanted).json()}
    assert [scores[label] for label in ("cat", "dog")] == pytest.approx(divided.tolist(), abs=1e-4)
    whole = {"Inference-Header-Content-Length": "0"}
    infer = client.post("/v2/models/pets/infer", content=png(7), headers=whole)
    numbers = infer.content[int(infer.headers["inference-header-content-length"]) :]
    found = np.frombuffer(numbers, np.float32).tolist()
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_manifest_is_shown_with_what_it_states(
    client: TestClient, small: Backbone, known: Callable[..., TaskFile]
) -> None:
    upload(client, known())
    upload(client, task_file(small, "old"))
    shown = client.get("/v1/tasks/pets").json()["manifest"]
    assert shown["threshold"] == known().manifest.document()["threshold"]
    assert not {"threshold", "temperature"} & set(client.get("/v1/tasks/old").json()["manifest"])
