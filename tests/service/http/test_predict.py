"""Predict calls over HTTP."""

import io
import struct
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone, OpenImage, Pixels, Preprocess, decode_image
from facet_vision.prompts_store import TaskFile
from facet_vision.service.http.schemas import PredictResponse
from tests.service.support.app import (
    DEPTH,
    PNG,
    ask,
    assert_problem,
    metrics,
    numbered,
    png,
    small_backbone,
    task_file,
    upload,
)

Serve = Callable[..., TestClient]


def expected(on: Backbone, file: TaskFile, image: bytes) -> dict[str, float]:
    """Probability of each label, by the plain formulation."""
    with torch.inference_mode():
        features = on.features(
            on.preprocess(decode_image(image))[None], file.prompts, form="tokens"
        )
        probabilities = file.head(features)[0].softmax(-1)
    return dict(zip(file.manifest.labels, probabilities.tolist(), strict=True))


def probabilities(result: dict[str, Any]) -> dict[str, float]:
    return {ranked["label"]: ranked["probability"] for ranked in result["predictions"]}


@pytest.mark.parametrize("layers", [0, 1, DEPTH])
def test_one_image_as_the_body(client: TestClient, small: Backbone, layers: int) -> None:
    file = task_file(small, "pets", layers=layers, labels=["cat", "dog", "owl"])
    assert upload(client, file).status_code == 201
    response = ask(client, "pets", png(5))
    assert response.status_code == 200
    (result,) = response.json()["results"]
    assert (result["task"], result["version"], result["image"]) == ("pets", 1, 0)
    assert "file" not in result
    assert probabilities(result) == pytest.approx(expected(small, file, png(5)), abs=1e-5)
    ranked = [label["probability"] for label in result["predictions"]]
    assert ranked == sorted(ranked, reverse=True)
    assert set(result["timings"]) == {"decode", "queue", "forward", "total"}
    assert result["timings"]["total"] >= result["timings"]["forward"] > 0


def test_several_files_keep_their_order_and_names(client: TestClient, small: Backbone) -> None:
    file = task_file(small, "pets")
    upload(client, file)
    parts = [("file", (f"{seed}.png", png(seed))) for seed in range(5)]
    results = client.post("/v1/tasks/pets/predict", files=parts).json()["results"]
    found = [(result["image"], result["file"]) for result in results]
    assert found == [(seed, f"{seed}.png") for seed in range(5)]
    for seed, result in enumerate(results):
        assert probabilities(result) == pytest.approx(expected(small, file, png(seed)), abs=1e-5)


def test_every_image_against_every_named_task(client: TestClient, small: Backbone) -> None:
    files = {
        "linear": task_file(small, "linear", labels=["a", "b", "c"], seed=1),
        "shallow": task_file(small, "shallow", layers=1, tokens=5, labels=["d", "e"], seed=2),
        "deep": task_file(
            small, "deep", layers=DEPTH, tokens=2, labels=["f", "g", "h", "i"], seed=3
        ),
        "other": task_file(small, "other", seed=4),
    }
    for file in files.values():
        upload(client, file)
    parts = [("file", ("a.png", png(1))), ("file", ("b.png", png(2)))]
    response = client.post("/v1/predict", files=parts, data={"tasks": ["deep, linear", "shallow"]})
    results = response.json()["results"]
    asked = [(image, task) for image in (0, 1) for task in ("deep", "linear", "shallow")]
    assert [(result["image"], result["task"]) for result in results] == asked
    for result in results:
        image = png(1 + result["image"])
        alone = expected(small, files[result["task"]], image)
        assert probabilities(result) == pytest.approx(alone, abs=1e-5)
    starred = client.post("/v1/predict", files=parts[:1], data={"tasks": "*"}).json()["results"]
    assert [result["task"] for result in starred] == sorted(files)


def test_a_mixed_request_is_one_batch_and_decodes_each_image_once(
    client: TestClient, small: Backbone
) -> None:
    for name in ("a", "b", "c"):
        upload(client, task_file(small, name))
    before = metrics(client)
    parts = [("file", ("1.png", png(1))), ("file", ("2.png", png(2)))]
    assert client.post("/v1/predict", files=parts, data={"tasks": "*"}).status_code == 200
    after = metrics(client)
    assert after["facet_decode_seconds_count"] - before["facet_decode_seconds_count"] == 2
    assert after["facet_batch_rows_count"] - before["facet_batch_rows_count"] == 1
    assert after["facet_batch_tasks_sum"] - before["facet_batch_tasks_sum"] == 3
    assert after["facet_batch_rows_sum"] - before["facet_batch_rows_sum"] == 6
    # these tasks have no prompts, so each image is computed once for all of them
    assert after["facet_batch_images_sum"] - before["facet_batch_images_sum"] == 2


def test_top_k_is_capped_at_the_number_of_labels(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets", labels=["a", "b", "c"]))
    for top_k, count in {1: 1, 2: 2, 3: 3, 4: 3, 10**30: 3}.items():
        (result,) = ask(client, "pets", top_k=top_k).json()["results"]
        assert len(result["predictions"]) == count


def test_a_task_without_activation_answers_scores(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "raw", bias=[-3.0, 4.0], activation="none"))
    (result,) = ask(client, "raw").json()["results"]
    assert result["predictions"] == [
        {"label": "dog", "score": 4.0},
        {"label": "cat", "score": -3.0},
    ]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_formats(client: TestClient, small: Backbone, kind: str) -> None:
    upload(client, task_file(small, "pets"))
    buffer = io.BytesIO()
    Image.new("RGB", (40, 60), "orange").save(buffer, kind)
    for content_type in (f"image/{kind.lower()}", "application/octet-stream"):
        headers = {"Content-Type": content_type}
        response = client.post("/v1/tasks/pets/predict", content=buffer.getvalue(), headers=headers)
        assert response.status_code == 200


# What is refused.


def bomb() -> bytes:
    """A PNG of a few bytes whose header announces 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (b"not an image", ["image", "expected one of JPEG"]),
        (png()[: len(png()) // 2], ["image", "damaged"]),
        (bomb(), ["image", "pixels"]),
        (b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.", ["image"]),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ["image"]),
    ],
)
def test_bad_images(client: TestClient, small: Backbone, image: bytes, words: list[str]) -> None:
    upload(client, task_file(small, "pets"))
    assert_problem(ask(client, "pets", image), 422, *words)
    assert ask(client, "pets").status_code == 200


def test_of_many_files_the_bad_one_is_named(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets"))
    parts = [("file", ("a.png", png())), ("file", ("b.png", b"no")), ("file", ("c.png", png()))]
    assert_problem(client.post("/v1/tasks/pets/predict", files=parts), 422, "file 1", "image")


def test_a_limit_on_pixels(serve: Serve, small: Backbone) -> None:
    client = serve(max_image_pixels=5000)
    upload(client, task_file(small, "pets"))
    assert ask(client, "pets", png(size=(50, 100))).status_code == 200
    assert_problem(ask(client, "pets", png(size=(51, 100))), 422, "5000 pixels", "51 x 100")


@pytest.mark.parametrize("name", ["nobody", "%2E%2E", "a%2Fb", "%00", "pets%20", "x" * 500])
def test_unknown_tasks(client: TestClient, small: Backbone, name: str) -> None:
    upload(client, task_file(small, "pets"))
    assert_problem(client.post(f"/v1/tasks/{name}/predict", content=png(), headers=PNG), 404)


def test_a_path_in_the_list_of_tasks(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets"))
    response = client.post(
        "/v1/predict", files=[("file", ("a", png()))], data={"tasks": "pets,../../etc"}
    )
    assert_problem(response, 404, "../../etc")


@pytest.mark.parametrize("top_k", ["0", "-1", "x", "1.5", ""])
def test_bad_top_k(client: TestClient, small: Backbone, top_k: str) -> None:
    upload(client, task_file(small, "pets"))
    assert_problem(ask(client, "pets", top_k=top_k), 422, "top_k", repr(top_k))


def test_wrong_content_types(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets"))
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
        response = client.post(
            "/v1/tasks/pets/predict", content=png(), headers={"Content-Type": kind}
        )
        assert_problem(response, 415, "Content-Type", kind)
    response = client.post("/v1/predict", content=png(), headers=PNG)
    assert_problem(response, 415, "multipart/form-data", "image/png")


def test_bad_bodies(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets"))
    url, form = "/v1/tasks/pets/predict", "multipart/form-data; boundary=b"
    assert_problem(client.post(url, headers=PNG), 400, "body", "no bytes")
    assert_problem(client.post(url, files=[("file", ("empty.png", b""))]), 422, "image", "no bytes")
    assert_problem(client.post(url, files=[("image", ("a.png", png()))]), 400, "'file'", "'image'")
    with_text = client.post(url, files=[("file", ("a", png()))], data={"task": "pets"})
    assert_problem(with_text, 400, "text part 'task'")
    for body, kind in ((b"garbage", form), (b"", form), (b"x", "multipart/form-data")):
        assert_problem(client.post(url, content=body, headers={"Content-Type": kind}), 400, "form")
    for data in ({}, {"tasks": ""}, {"tasks": " , "}):
        response = client.post("/v1/predict", files=[("file", ("a", png()))], data=data)
        assert_problem(response, 400, "'tasks'")


def test_too_large(serve: Serve, small: Backbone) -> None:
    client = serve(
        max_image_bytes=len(png()), max_images=3, max_request_bytes=20_000, queue_limit=4
    )
    upload(client, task_file(small, "pets"))
    upload(client, task_file(small, "cars"))
    url, part = "/v1/tasks/pets/predict", ("file", ("a.png", png()))
    assert ask(client, "pets").status_code == 200
    assert_problem(ask(client, "pets", png() + b"x"), 413, str(len(png())))
    assert_problem(client.post(url, files=[("file", ("a.png", png() + b"x"))]), 413, "'a.png'")
    assert client.post(url, files=[part] * 3).status_code == 200
    assert_problem(client.post(url, files=[part] * 4), 400, "3 files")
    assert_problem(client.post(url, files=[("file", ("a.png", b"x" * 30_000))]), 413, "20000")
    response = client.post("/v1/predict", files=[part] * 3, data={"tasks": "*"})
    assert_problem(response, 413, "images x tasks", "6")


def test_no_task_is_live(client: TestClient) -> None:
    response = client.post("/v1/predict", files=[("file", ("a", png()))], data={"tasks": "*"})
    assert_problem(response, 404, "live task")


def test_the_api_describes_options_and_answers(client: TestClient, small: Backbone) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/tasks/{task}/predict", "/v1/predict"):
        parameters = {each["name"]: each for each in paths[path]["post"]["parameters"]}
        assert {"top_k", "abstain", "priority", "timeout_ms"} == {
            name for name, each in parameters.items() if each["in"] == "query"
        }
        assert parameters["top_k"]["schema"]["default"] == 5
        assert parameters["priority"]["schema"]["enum"] == ["high", "normal", "low"]
        assert all(each["description"] for name, each in parameters.items() if name != "task")
    upload(client, task_file(small, "pets"))
    upload(client, task_file(small, "raw", activation="none"))
    form = {"files": [("file", ("a.png", png()))], "data": {"tasks": "*"}}
    for response in (ask(client, "pets"), client.post("/v1/predict", **form)):
        as_described = PredictResponse.model_validate_json(response.content, strict=True)
        assert as_described.model_dump(exclude_none=True) == response.json()
        assert response.headers["content-type"] == "application/json"


def test_a_failing_forward_is_one_500_and_the_server_still_serves(serve: Serve) -> None:
    broken = small_backbone()
    client = serve(backbone=broken)
    upload(client, task_file(broken, "pets"))
    sound = broken.features_mixed

    def on_fire(*_: Any) -> torch.Tensor:
        raise RuntimeError("the device is on fire")

    broken.features_mixed = on_fire  # type: ignore[method-assign]
    assert_problem(ask(client, "pets"), 500, "'pets'", "RuntimeError")
    broken.features_mixed = sound  # type: ignore[method-assign]
    assert ask(client, "pets").status_code == 200


def test_an_unforeseen_error_reveals_nothing_of_its_cause(serve: Serve) -> None:
    broken = small_backbone()
    gate = broken.preprocess = HeldPreprocess(broken.preprocess)  # type: ignore[assignment]
    gate.gate.set()
    client = serve(backbone=broken)
    upload(client, task_file(broken, "pets"))
    gate.fault = RuntimeError("secret")
    response = ask(client, "pets")
    assert_problem(response, 500, "its log has the cause")
    assert "secret" not in response.text
    gate.fault = None
    assert ask(client, "pets").status_code == 200


class HeldPreprocess:
    """A backbone's preprocessing that waits at a gate, or fails."""

    def __init__(self, preprocess: Preprocess) -> None:
        self._preprocess = preprocess
        self.input_size = preprocess.input_size
        self.mean = preprocess.mean
        self.std = preprocess.std
        self.batch = preprocess.batch
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.fault: Exception | None = None

    def decode_opened(self, image: OpenImage) -> Pixels:
        if self.fault:
            raise self.fault
        self.entered.set()
        self.gate.wait(10)
        return self._preprocess.decode_opened(image)


def test_the_version_is_the_one_at_admission(serve: Serve, small: Backbone) -> None:
    """A version that goes live after a request's admission does not answer it."""
    held = small_backbone()
    gate = held.preprocess = HeldPreprocess(held.preprocess)  # type: ignore[assignment]
    client = serve(backbone=held)
    upload(client, numbered(small, "counter", 1))
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask, client, "counter", top_k=1)
        assert gate.entered.wait(10)
        assert upload(client, numbered(small, "counter", 2)).json()["version"] == 2
        gate.gate.set()
        first = asking.result().json()["results"][0]
        second = ask(client, "counter", top_k=1).json()["results"][0]
    answers = [(result["version"], result["predictions"][0]["label"]) for result in (first, second)]
    assert answers == [(1, "v1"), (2, "v2")]
