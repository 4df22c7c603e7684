"""Embeddings and the list of models, asked by the real `openai` client."""

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from tests.service.http.protocols.conftest import SMALL, Live, pets
from tests.service.support.app import DIM, metrics, png

openai = pytest.importorskip("openai")

TEXTS = [base64.b64encode(png(seed)).decode() for seed in range(3)]
URIS = [f"data:image/png;base64,{text}" for text in TEXTS]


@pytest.fixture
def client(server: Live) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def features(seed: int, prompts: Sequence[torch.Tensor] = ()) -> list[float]:
    """The pooled feature of an image by the plain formulation."""
    image = SMALL.preprocess.batch([SMALL.preprocess.decode(png(seed))])
    return SMALL.features(image, prompts, form="tokens")[0].tolist()


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_embeddings_are_the_features_under_the_tasks_prompts(
    client: Any, encoding: str | None
) -> None:
    options = {"encoding_format": encoding} if encoding else {}
    answer = client.embeddings.create(model="pets", input=[TEXTS[0], URIS[1]], **options)
    assert [each.index for each in answer.data] == [0, 1]
    assert (answer.object, answer.model, answer.version) == ("list", "pets", 1)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (2, 2)
    for seed, each in enumerate(answer.data):
        numbers = each.embedding
        if isinstance(numbers, str):  # the client decodes what it has asked for by itself only
            numbers = np.frombuffer(base64.b64decode(numbers), "<f4").tolist()
        assert numbers == pytest.approx(features(seed, pets().prompts), abs=1e-5)


@pytest.mark.parametrize("name", ["backbone", "small"])
def test_the_bare_backbone_has_no_prompts(client: Any, name: str) -> None:
    answer = client.embeddings.create(model=name, input=URIS[0])
    assert (answer.model, answer.version) == ("backbone", 0)
    assert answer.data[0].embedding == pytest.approx(features(0), abs=1e-5)


@pytest.mark.parametrize("dimensions", [1, 7, DIM])
def test_dimensions_are_the_first_ones_at_length_one(client: Any, dimensions: int) -> None:
    answer = client.embeddings.create(
        model="pets", input=URIS, dimensions=dimensions, user="somebody"
    )
    for seed, each in enumerate(answer.data):
        part = np.array(features(seed, pets().prompts)[:dimensions])
        assert each.embedding == pytest.approx(list(part / np.linalg.norm(part)), abs=1e-5)
    with pytest.raises(openai.UnprocessableEntityError, match=f"at most {DIM}, found 33"):
        client.embeddings.create(model="pets", input=URIS, dimensions=DIM + 1)


def test_the_list_has_the_backbone_and_the_live_tasks(client: Any) -> None:
    found = {each.id: each for each in client.models.list()}
    assert list(found) == ["backbone", "pets"]
    assert {each.owned_by for each in found.values()} == {"small"}
    assert found["pets"].created > found["backbone"].created == 0
    for name, each in (*found.items(), ("small", found["backbone"])):
        assert client.models.retrieve(name) == each
    for name in ("gone", "nobody"):
        with pytest.raises(openai.NotFoundError, match=name) as caught:
            client.models.retrieve(name)
        assert caught.value.code == "model_not_found"


def test_errors_are_those_of_the_client(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="'nobody'") as caught:
        client.embeddings.create(model="nobody", input=URIS)
    found = caught.value
    assert (found.type, found.param, found.code) == (
        "invalid_request_error",
        "model",
        "model_not_found",
    )
    with pytest.raises(openai.UnprocessableEntityError, match="JPEG") as caught:
        client.embeddings.create(model="pets", input=base64.b64encode(b"no image").decode())
    assert caught.value.code == "bad-image"
    with pytest.raises(openai.APIStatusError, match="at most 4 images, found 5") as caught:
        client.embeddings.create(model="pets", input=[TEXTS[0]] * 5)
    assert (caught.value.status_code, caught.value.param) == (413, "input")


def test_the_async_client_shares_batches(server: Live) -> None:
    async def ask() -> list[Any]:
        url = f"{server.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            return await asyncio.gather(
                *(client.embeddings.create(model="pets", input=URIS[0]) for _ in range(8))
            )

    answers = asyncio.run(ask())
    for answer in answers:
        assert answer.data[0].embedding == pytest.approx(features(0, pets().prompts), abs=1e-5)
    with server.client() as client:
        assert metrics(client)['facet_images_total{task="pets"}'] >= 8


BODY = {"model": "pets", "input": TEXTS[0]}
LARGE = base64.b64encode(bytes(100_001)).decode()


@pytest.mark.parametrize(
    ("body", "status", "param", "words"),
    [
        ({"model": "pets"}, 422, "input", "required"),
        ({"input": TEXTS[0]}, 422, "model", "required"),
        (BODY | {"input": []}, 422, "input", "at least 1"),
        (BODY | {"input": [1, 2]}, 422, "input", "string"),
        (BODY | {"input": {"image": TEXTS[0]}}, 422, "input", "array"),
        (BODY | {"model": 7}, 422, "model", "string"),
        (BODY | {"dimensions": 0}, 422, "dimensions", "greater"),
        (BODY | {"dimensions": "8"}, 422, "dimensions", "integer"),
        (BODY | {"encoding_format": "int8"}, 422, "encoding_format", "'base64'"),
        (BODY | {"colour": "red"}, 422, None, "colour: extra"),
        (BODY | {"input": ""}, 422, "input", "found no bytes"),
        (BODY | {"input": "a sentence"}, 422, "input", "base64"),
        (BODY | {"input": "QUJ"}, 422, "input", "base64"),
        (BODY | {"input": [TEXTS[0], "é"]}, 422, "input", "input.1: "),
        (BODY | {"input": "http://example.org/a.png"}, 422, "input", "fetches none"),
        (BODY | {"input": "HTTPS://example.org/a.png"}, 422, "input", "fetches none"),
        (BODY | {"input": "file:///etc/passwd"}, 422, "input", "fetches none"),
        (BODY | {"input": "data:text/plain;base64,QUJD"}, 422, "input", "'text/plain'"),
        (BODY | {"input": "data:image/png,QUJD"}, 422, "input", "in base64"),
        (BODY | {"input": f"data:image/png;base64,{LARGE}"}, 413, "input", "100000 bytes"),
        (BODY | {"input": LARGE}, 413, "input", "100000 bytes"),
        ("[", 422, None, "body: invalid JSON"),
    ],
)
def test_a_body_is_refused_in_one_sentence(
    server: Live, body: object, status: int, param: str | None, words: str
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    with server.client() as client:
        answer = client.post(
            "/v1/embeddings", content=content, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    (error,) = answer.json().values()
    assert set(error) == {"message", "type", "param", "code"}
    assert words in error["message"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


def test_other_refusals_have_the_form_too(server: Live) -> None:
    def refused(client: httpx.Client, method: str, path: str, **options: Any) -> tuple[int, str]:
        answer = client.request(method, path, **options)
        return answer.status_code, answer.json()["error"]["message"]

    with server.client() as client:
        assert refused(client, "PUT", "/v1/embeddings") == (
            405,
            "PUT is not a method of /v1/embeddings.",
        )
        assert refused(client, "POST", "/v1/embeddings", content=b"{}")[0] == 415
        assert refused(client, "POST", "/v1/embeddings?a=1", json=BODY)[0] == 422
        assert refused(client, "GET", "/v1/models/a/b")[0] == 404
        for path in ("/v1/embeddings", "/v1/models"):
            status, _ = refused(client, "GET", path, headers={"Host": "evil.example"})
            assert status == 421


def test_a_data_uri_may_have_parameters_and_percent_signs(client: Any) -> None:
    escaped = TEXTS[0].replace("+", "%2B").replace("/", "%2F")
    uris = [f"DATA:image/png;name=a.png;base64,{escaped}", f"data:;base64,{TEXTS[0]}"]
    for each in client.embeddings.create(model="backbone", input=uris).data:
        assert each.embedding == pytest.approx(features(0), abs=1e-5)
