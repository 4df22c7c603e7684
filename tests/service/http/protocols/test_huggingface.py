"""Image classification, asked by the real client of `huggingface_hub`."""

import base64
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.service.http.protocols.conftest import SMALL, Live, pets
from tests.service.support.app import PNG, ask, png

hub = pytest.importorskip("huggingface_hub")
HfHubHTTPError = pytest.importorskip("huggingface_hub.errors").HfHubHTTPError

TEXT = base64.b64encode(png()).decode()


def classify(server: Live, image: Any, task: str = "pets", **options: Any) -> dict[str, float]:
    """Label and score, best first, by the client."""
    client = hub.InferenceClient(token="none", timeout=30)
    found = client.image_classification(image, model=f"{server.url}/hf/{task}", **options)
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    return {each.label: each.score for each in found}


def logits() -> torch.Tensor:
    image = SMALL.preprocess.batch([SMALL.preprocess.decode(png())])
    file = pets()
    return file.head(SMALL.features(image, file.prompts, form="tokens"))[0]


def test_an_image_is_answered_as_by_the_api_of_our_own(server: Live, tmp_path: Path) -> None:
    with server.client() as client:
        results = ask(client, "pets", png()).json()["results"][0]["predictions"]
    expected = {each["label"]: each["probability"] for each in results}
    path = tmp_path / "a.png"
    path.write_bytes(png())
    for image in (png(), path):
        found = classify(server, image)
        assert found == pytest.approx(expected, rel=1e-6)
        assert list(found) == list(expected)


def test_top_k_and_the_function_to_apply(server: Live) -> None:
    raw = logits()
    for name, expected in (
        ("softmax", raw.softmax(0)),
        ("sigmoid", raw.sigmoid()),
        ("none", raw),
    ):
        found = classify(server, png(), function_to_apply=name)
        wanted = dict(zip(pets().manifest.labels, expected.tolist(), strict=True))
        assert found == pytest.approx(wanted, abs=1e-5)
    assert len(classify(server, png(), top_k=2)) == 2


def test_errors_say_what_is_wrong(server: Live) -> None:
    for image, task, words in ((png(), "nobody", "'nobody'"), (b"no image", "pets", "JPEG")):
        with pytest.raises(HfHubHTTPError) as caught:
            classify(server, image, task)
        assert words in caught.value.response.json()["error"]
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "inputs: field required"),
        ({"inputs": [TEXT]}, 422, "inputs: "),
        ({"inputs": "https://example.org/a.png"}, 422, "fetches none"),
        ({"inputs": TEXT, "parameters": {"top_k": 0}}, 422, "parameters.top_k"),
        ({"inputs": TEXT, "parameters": {"top_k": True}}, 422, "parameters.top_k"),
        ({"inputs": TEXT, "parameters": {"function_to_apply": "tanh"}}, 422, "function_to_apply"),
        ({"inputs": TEXT, "parameters": {"size": 1}}, 422, "parameters.size"),
        ({"inputs": TEXT, "options": {}}, 422, "options"),
        ({"inputs": base64.b64encode(bytes(100_001)).decode()}, 413, "100000 bytes"),
    ],
)
def test_a_document_is_refused_in_one_sentence(
    server: Live, body: dict[str, Any], status: int, words: str
) -> None:
    with server.client() as client:
        answer = client.post("/hf/pets", json=body)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error", "error_type"]
    assert words in answer.json()["error"]


def test_other_refusals_have_the_form_too(server: Live) -> None:
    with server.client() as client:
        for answer, status in (
            (client.get("/hf/pets"), 405),
            (client.post("/hf/pets", content=b"x", headers={"Content-Type": "text/plain"}), 415),
            (client.post("/hf/pets?top_k=1", content=png(), headers=PNG), 422),
            (client.post("/hf/pets", content=bytes(100_001), headers=PNG), 413),
            (client.post("/hf/pets", headers=PNG), 400),
        ):
            assert (answer.status_code, list(answer.json())) == (status, ["error", "error_type"])
