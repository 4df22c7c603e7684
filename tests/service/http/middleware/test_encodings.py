"""Compressed bodies are answered as plain ones are, within the same limits."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from tests.service.support.app import ask, assert_problem, png, task_file, upload

PATH = "/v1/tasks/pets/predict"
ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.fixture
def pets(serve: Callable[..., TestClient], small: Backbone) -> TestClient:
    client = serve(max_image_bytes=10_000_000)
    assert upload(client, task_file(small, "pets")).status_code == 201
    return client


def post(client: TestClient, body: bytes | Iterator[bytes], encoding: str) -> object:
    headers = {"Content-Type": "image/png", "Content-Encoding": encoding}
    return client.post(PATH, content=body, headers=headers)


@pytest.mark.parametrize("encoding", ENCODE)
def test_an_encoded_image_is_the_image(pets: TestClient, encoding: str) -> None:
    plain = ask(pets, "pets", png()).json()["results"][0]["predictions"]
    encoded = ENCODE[encoding](png())
    for body in (encoded, (encoded[at : at + 7] for at in range(0, len(encoded), 7))):
        answer = post(pets, body, encoding)
        assert answer.status_code == 200, answer.text  # type: ignore[attr-defined]
        assert answer.json()["results"][0]["predictions"] == plain  # type: ignore[attr-defined]


def test_an_encoded_task_file_is_the_file(pets: TestClient, small: Backbone) -> None:
    data = task_file(small, "more").to_bytes()
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    made = pets.post("/v1/tasks/more/versions", content=gzip.compress(data), headers=headers)
    assert made.status_code == 201
    assert pets.get("/v1/tasks/more/versions/1").content == data


def test_no_encoding_is_one(pets: TestClient) -> None:
    assert post(pets, png(), "identity").status_code == 200  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_another_encoding_is_refused(pets: TestClient, encoding: str) -> None:
    answer = post(pets, png(), encoding)
    assert_problem(answer, 415, "gzip, deflate", encoding)
    assert answer.headers["accept-encoding"] == "gzip, deflate"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (png(), "expected its Content-Encoding"),
        (gzip.compress(png(), mtime=0)[:-9], "the end of its Content-Encoding"),
        (gzip.compress(png(), mtime=0) + b"more", "nothing after"),
        (gzip.compress(b"", mtime=0), "found no bytes"),
        (b"", "the end of its Content-Encoding"),
    ],
)
def test_what_is_not_wholly_of_its_encoding_is_refused(
    pets: TestClient, body: bytes, words: str
) -> None:
    assert_problem(post(pets, body, "gzip"), 400, words)


def test_a_bomb_is_refused_before_it_is_unpacked(pets: TestClient) -> None:
    bomb = zlib.compress(bytes(400_000_000), 9)
    assert len(bomb) < 400_000
    tracemalloc.start()
    try:
        assert_problem(post(pets, bomb, "deflate"), 413, "at most 10000000 bytes")
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
