"""Tensors and bodies of inference calls: what is malformed is refused in one sentence."""

import json
import random
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from facet_vision.service.errors import BadRequest
from facet_vision.service.http.oip.bodies import JSON_LENGTH, read_request
from facet_vision.service.oip.inference import images_of
from facet_vision.service.oip.tensors import Spec, bytes_of, list_of, of_bytes, of_json
from tests.service.support.app import SIDE, png, task_file, upload

SHAPE = [1, 3, SIDE, SIDE]
SLICE, WHOLE = 400, 5_000


def body(pixels: np.ndarray[Any, Any], **fields: Any) -> tuple[bytes, int]:
    """An inference call with one binary tensor, and the length of its JSON."""
    entry = {
        "name": "pixel_values",
        "datatype": "FP32",
        "shape": list(pixels.shape),
        "parameters": {"binary_data_size": pixels.nbytes},
    }
    text = json.dumps({"inputs": [entry | fields]}).encode()
    return text + pixels.tobytes(), len(text)


def test_binary_pixels_are_never_copied() -> None:
    pixels = np.random.default_rng(0).normal(size=(32, *SHAPE[1:])).astype(np.float32)
    data, length = body(pixels)
    request = read_request(memoryview(data), str(length), "pets", "")
    images = images_of(request.inputs, (3, SIDE, SIDE), 64)
    whole = np.frombuffer(data, np.uint8)
    for image, wanted in zip(images, pixels, strict=True):
        assert isinstance(image, np.ndarray)
        assert np.shares_memory(image, whole)
        np.testing.assert_array_equal(image, wanted)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("abc", "Inference-Header-Content-Length"),
        ("-1", "Inference-Header-Content-Length"),
        ("+1", "Inference-Header-Content-Length"),
        ("9" * 5000, "Inference-Header-Content-Length"),
        ("5", "JSON"),
        (None, "JSON"),
    ],
)
def test_lengths_that_are_none(header: str | None, words: str) -> None:
    data, _ = body(np.zeros(SHAPE, np.float32))
    with pytest.raises(BadRequest, match=words):
        read_request(memoryview(data), header, "pets", "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"data": [1.0]}, "both"),
        ({"parameters": {}}, "none of them"),
        ({"parameters": {"binary_data_size": 10**9}}, "behind the JSON"),
        ({"parameters": {"binary_data_size": 8}}, "for its shape"),
        ({"parameters": {"shared_memory_region": "x"}}, "parameters"),
        ({"datatype": "FP31"}, "datatype"),
        ({"datatype": "BF16"}, "BF16"),
        ({"shape": [-1, 3, SIDE, SIDE]}, "shape"),
        ({"shape": [10**30]}, "shape"),
        ({"shape": [1] * 20}, "shape"),
        ({"shape": ["1"]}, "shape"),
    ],
)
def test_inputs_that_are_none(fields: dict[str, Any], words: str) -> None:
    data, length = body(np.zeros(SHAPE, np.float32), **fields)
    with pytest.raises(BadRequest, match=words):
        read_request(memoryview(data), str(length), "pets", "")


def test_bytes_left_over() -> None:
    data, length = body(np.zeros(SHAPE, np.float32))
    with pytest.raises(BadRequest, match="no bytes behind"):
        read_request(memoryview(data + b"x"), str(length), "pets", "")


@pytest.mark.parametrize("elements", [[b""], [b"a", b"bcd"], []])
def test_strings_come_back(elements: list[bytes]) -> None:
    spec = Spec("image", "BYTES", (len(elements),))
    data = bytes_of(elements)
    assert of_bytes(spec, memoryview(data)).values == elements
    for wrong in (data + b"\0", data[:-1], b"\xff\xff\xff\xff" + data):
        if wrong != data and (elements or wrong):
            with pytest.raises(BadRequest, match="elements"):
                of_bytes(spec, memoryview(wrong))


@pytest.mark.parametrize("kind", ["BOOL", "UINT8", "INT16", "INT64", "FP32", "FP64"])
def test_numbers_are_read_flat_and_nested(kind: str) -> None:
    spec = Spec("x", kind, (2, 2))
    rows: Any = [[True, False], [False, True]] if kind == "BOOL" else [[0, 1], [2, 3]]
    flat = [each for row in rows for each in row]
    for data in (rows, flat):
        tensor = of_json(spec, data)
        assert isinstance(tensor.values, np.ndarray)
        assert list_of(tensor.values) == flat
        assert of_bytes(spec, memoryview(bytes_of(tensor.values))).values.tolist() == rows  # type: ignore[union-attr]
    for wrong in ([0], [[0, 1], [2]], [[[0], [1]], [[2], [3]]], "abcd", [None] * 4, {}):
        with pytest.raises(BadRequest, match="expected"):
            of_json(spec, wrong)


def mutated(source: random.Random, data: bytes, length: int) -> tuple[bytes, str]:
    """The same call, damaged: in its bytes, its JSON or its length."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 4)):
        match source.randrange(5):
            case 0:
                changed[source.randrange(len(changed))] = source.randrange(256)
            case 1:
                del changed[source.randrange(len(changed)) :]
            case 2:
                changed += source.randbytes(source.randint(1, 9))
            case 3:
                length = source.choice([0, 1, length - 1, length + 1, len(changed), 10**12, -5])
            case _:
                place = source.randrange(max(1, min(length, len(changed))))
                changed[place:place] = source.choice(
                    [b"null", b"1e999", b"NaN", b"[", b'{"', b"-1", b"9" * 400, b"true", b"\\u0000"]
                )
        if not changed:
            changed += b"{}"
    return bytes(changed), str(length)


def ask_mutated(client: TestClient, count: int) -> None:
    source = random.Random(7)
    data, length = body(np.zeros(SHAPE, np.float32))
    for number in range(count):
        changed, header = mutated(source, data, length)
        answer = client.post(
            "/v2/models/pets/infer", content=changed, headers={JSON_LENGTH: header}
        )
        assert answer.status_code in (200, 400, 413, 422), (number, answer.text)
        if answer.status_code != 200:
            assert isinstance(answer.json()["error"], str)


@pytest.fixture
def pets(client: TestClient, small: Any) -> TestClient:
    assert upload(client, task_file(small, "pets")).status_code == 201
    return client


def test_mutated_calls_are_answered_or_refused(pets: TestClient) -> None:
    ask_mutated(pets, SLICE)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_5000_mutated_calls(pets: TestClient) -> None:
    ask_mutated(pets, WHOLE)


def test_an_image_as_the_whole_body(pets: TestClient) -> None:
    answer = pets.post("/v2/models/pets/infer", content=png(), headers={JSON_LENGTH: "0"})
    assert answer.status_code == 200
    head = json.loads(answer.content[: int(answer.headers[JSON_LENGTH])])
    assert head["outputs"][0]["name"] == "probabilities"
    assert head["outputs"][0]["shape"] == [1, 2]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_long_answer_is_compressed_if_that_is_asked_for(
    client: TestClient, small: Any, coding: str
) -> None:
    wide = task_file(small, "wide", labels=[f"label {index}" for index in range(500)])
    assert upload(client, wide).status_code == 201
    data, length = body(np.zeros(SHAPE, np.float32))
    url, headers = "/v2/models/wide/infer", {JSON_LENGTH: str(length)}
    plain = client.post(url, content=data, headers=headers | {"Accept-Encoding": "identity"})
    packed = client.post(url, content=data, headers=headers | {"Accept-Encoding": coding})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == coding
    assert packed.json()["outputs"] == plain.json()["outputs"]


@pytest.mark.parametrize("path", ["/v2/nowhere", "/v2/models/none", "/v2/models/none/infer"])
def test_every_refusal_has_the_protocols_form(client: TestClient, path: str) -> None:
    answers = [client.get(path), client.post(path, content=b"{}"), client.put(path)]
    assert {each.status_code for each in answers} <= {400, 404, 405}
    assert all(set(each.json()) == {"error"} for each in answers)
