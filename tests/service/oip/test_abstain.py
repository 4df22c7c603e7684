"""Tasks that may give no label, by the Open Inference Protocol."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.service.oip.conftest import LABELS, SMALL, Live, Triton
from tests.service.support.app import png, sure, task_file, upload

OWN = png(1), png(2), png(3)
"""An image for each label that the task knows; others are none of its own."""

KNOWN = sure(SMALL, task_file(SMALL, "known", labels=LABELS), OWN, most=0.05)


def ask(client: TestClient, task: str, *images: bytes, **request: Any) -> httpx.Response:
    parts = [len(each).to_bytes(4, "little") + each for each in images]
    size = {"binary_data_size": sum(map(len, parts))}
    given = {"name": "image", "shape": [len(images)], "datatype": "BYTES", "parameters": size}
    text = json.dumps({"inputs": [given]} | request).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    content = text + b"".join(parts)
    return client.post(f"/v2/models/{task}/infer", content=content, headers=headers)


def outputs(answer: httpx.Response) -> dict[str, tuple[list[int], list[Any]]]:
    """Shape and elements of each output by its name."""
    assert answer.status_code == 200, answer.text
    return {each["name"]: (each["shape"], each["data"]) for each in answer.json()["outputs"]}


ABSTAIN = {"parameters": {"abstain": True}}


def test_an_image_of_no_class_gets_empty_text(client: TestClient) -> None:
    upload(client, KNOWN)
    plain = outputs(ask(client, "known", OWN[1], png(9)))
    found = outputs(ask(client, "known", OWN[1], png(9), **ABSTAIN))
    assert plain.keys() == {"probabilities"}
    assert found.keys() == {"probabilities", "label", "distance"}
    assert found["probabilities"] == plain["probabilities"]
    best = LABELS[int(np.argmax(plain["probabilities"][1][:3]))]
    assert found["label"] == ([2], [best, ""])
    shape, (near, far) = found["distance"]
    assert (shape, near < 0.05 < far) == ([2], True)


def test_labels_by_their_own_thresholds(client: TestClient) -> None:
    options: dict[str, Any] = {"labels": LABELS, "activation": "sigmoid"}
    upload(
        client, task_file(SMALL, "some", bias=[2, -1, 1], class_thresholds=(0.5,) * 3, **options)
    )
    found = outputs(ask(client, "some", png(0), png(1), **ABSTAIN))
    assert found.keys() == {"probabilities", "label"}
    assert found["label"] == ([2, 2], ["cat", "eel"] * 2)
    upload(
        client, task_file(SMALL, "none", bias=[2, -1, 1], class_thresholds=(0.99,) * 3, **options)
    )
    assert outputs(ask(client, "none", png(0), **ABSTAIN))["label"] == ([1, 1], [""])
    refused = ask(client, "none", png(0), **ABSTAIN, outputs=[{"name": "distance"}])
    assert (refused.status_code, "probabilities, label of" in refused.text) == (400, True)


def test_what_is_refused(client: TestClient) -> None:
    upload(client, KNOWN)
    upload(client, task_file(SMALL, "plain"))
    one = [{"name": "distance"}]
    counted = [{"name": "distance", "parameters": {"classification": 1}}]
    for request, task, status, words in (
        (ABSTAIN, "plain", 409, "expected a task whose file states a threshold"),
        ({"parameters": {"abstain": 1}}, "known", 400, "abstain: expected true or false, found 1"),
        ({"parameters": {"abstain": "yes"}}, "known", 400, "found 'yes'"),
        ({"outputs": one}, "known", 400, "found 'distance'"),
        (ABSTAIN | {"outputs": counted}, "known", 400, "a classification of 1 to 1000"),
    ):
        answer = ask(client, task, png(0), **request)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    text = outputs(ask(client, "known", png(9), outputs=one, parameters={"abstain": "true"}))
    assert text.keys() == {"distance"}
    assert outputs(ask(client, "plain", png(9), parameters={"abstain": "false"}))


@pytest.mark.slow
def test_the_protocols_clients(triton: Triton, live: Live) -> None:
    with live.client() as client:
        upload(client, KNOWN)
    pixels = SMALL.preprocess.batch([SMALL.preprocess.decode(each) for each in (OWN[0], png(9))])
    batch = triton.input("pixel_values", list(pixels.shape), "FP32", pixels.numpy())
    wanted = [triton.output(name) for name in ("label", "distance")]
    found = triton.infer("known", [batch], outputs=wanted, parameters={"abstain": True})
    first, second = found.as_numpy("label")
    assert (first.decode() in LABELS, second) == (True, b"")
    near, far = found.as_numpy("distance")
    assert near < 0.05 < far
