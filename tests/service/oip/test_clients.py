"""The protocol's real clients against a live server."""

import asyncio
from typing import Any

import numpy as np
import pytest
import torch

from facet_vision.prompts_store import TaskFile
from tests.service.oip.conftest import LABELS, SMALL, Live, Triton, pets
from tests.service.support.app import SIDE, png, task_file, upload

exceptions = pytest.importorskip("tritonclient.utils", reason="the extra dev is not installed")
Refused: Any = exceptions.InferenceServerException

SHAPE = [3, SIDE, SIDE]


def pixels(*seeds: int) -> np.ndarray[Any, Any]:
    """Normalised images."""
    images = [SMALL.preprocess.decode(png(seed)) for seed in seeds]
    return SMALL.preprocess.batch(images).numpy()


def expected(*seeds: int, file: TaskFile | None = None) -> np.ndarray[Any, Any]:
    """The probabilities of a task, by the plain formulation."""
    file = file or pets()
    features = SMALL.features(torch.from_numpy(pixels(*seeds)), file.prompts, form="tokens")
    return file.head(features).softmax(-1).numpy()


def encoded(*data: bytes) -> np.ndarray[Any, Any]:
    return np.array(data, dtype=np.object_)


def test_health(triton: Triton) -> None:
    assert triton.is_server_live() is True
    assert triton.is_server_ready() is True
    assert triton.is_model_ready("pets") is True
    assert triton.is_model_ready("pets", "1") is True
    assert triton.is_model_ready("pets", "live") is True
    assert triton.is_model_ready("pets", "2") is False
    assert triton.is_model_ready("nobody") is False


def test_server_metadata(triton: Triton) -> None:
    found = triton.document("get_server_metadata")
    assert found["name"] == "facet"
    assert {"binary_tensor_data", "classification", "statistics"} <= set(found["extensions"])
    assert not {"cuda_shared_memory", "trace", "logging"} & set(found["extensions"])


@pytest.mark.parametrize("version", ["", "1", "live"])
def test_model_metadata_and_configuration(triton: Triton, version: str) -> None:
    found = triton.document("get_model_metadata", "pets", version)
    assert (found["name"], found["versions"]) == ("pets", ["1"])
    (given,), (made,) = found["inputs"], found["outputs"]
    assert (given["name"], given["datatype"]) == ("pixel_values", "FP32")
    assert [int(length) for length in given["shape"]] == [-1, *SHAPE]
    assert (made["name"], made["datatype"]) == ("probabilities", "FP32")
    assert [int(length) for length in made["shape"]] == [-1, len(LABELS)]
    config = triton.document("get_model_config", "pets", version)
    config = config.get("config", config)
    assert config["max_batch_size"] == 8
    assert config["input"][0]["format"] == "FORMAT_NCHW"
    assert [int(length) for length in config["input"][0]["dims"]] == SHAPE


@pytest.mark.parametrize("call", ["get_model_metadata", "get_model_config"])
@pytest.mark.parametrize(("model", "version"), [("nobody", ""), ("pets", "9"), ("pets", "+1")])
def test_what_is_not_there(triton: Triton, call: str, model: str, version: str) -> None:
    with pytest.raises(Refused) as refused:
        triton.document(call, model, version)
    assert refused.value.message()
    assert refused.value.status() in ("404", "400", "StatusCode.NOT_FOUND") or triton.is_grpc


@pytest.mark.parametrize("kind", ["FP32", "FP16"])
def test_pixels_are_answered_as_the_plain_formulation_does(triton: Triton, kind: str) -> None:
    batch = pixels(0, 1, 2).astype(np.float32 if kind == "FP32" else np.float16)
    found = triton.infer("pets", [triton.input("pixel_values", [3, *SHAPE], kind, batch)])
    tolerance = 1e-5 if kind == "FP32" else 1e-2
    np.testing.assert_allclose(found.as_numpy("probabilities"), expected(0, 1, 2), atol=tolerance)
    assert found.as_numpy("nothing") is None


def test_encoded_images_of_any_size(triton: Triton) -> None:
    data = encoded(png(0), png(1), png(2, (50, 41)))
    image = triton.input("image", [3], "BYTES", data)
    outputs = [triton.output("probabilities"), triton.output("label")]
    found = triton.infer("pets", [image], "1", outputs=outputs, request_id="order-17")
    numbers = found.as_numpy("probabilities")
    np.testing.assert_allclose(numbers[:2], expected(0, 1), atol=1e-5)
    labels = [each.decode() for each in found.as_numpy("label")]
    assert labels == [LABELS[index] for index in numbers.argmax(1)]
    response = found.get_response()
    identity = response.id if triton.is_grpc else response["id"]
    version = response.model_version if triton.is_grpc else response["model_version"]
    assert (identity, version) == ("order-17", "1")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(triton: Triton, algorithm: str) -> None:
    ways = ["compression_algorithm"]
    if not triton.is_grpc:
        ways = ["request_compression_algorithm", "response_compression_algorithm"]
    batch = triton.input("pixel_values", [2, *SHAPE], "FP32", pixels(0, 1))
    found = triton.infer("pets", [batch], **dict.fromkeys(ways, algorithm))
    np.testing.assert_allclose(found.as_numpy("probabilities"), expected(0, 1), atol=1e-5)


def test_classification(triton: Triton) -> None:
    batch = triton.input("pixel_values", [2, *SHAPE], "FP32", pixels(0, 1))
    outputs = [triton.output("probabilities", class_count=2)]
    found = triton.infer("pets", [batch], outputs=outputs).as_numpy("probabilities")
    assert found.shape == (2, 2)
    for row, numbers in zip(found, expected(0, 1), strict=True):
        order = np.argsort(-numbers)[:2]
        for text, index in zip(row, order, strict=True):
            value, place, label = text.decode().split(":")
            assert (int(place), label) == (index, LABELS[index])
            assert float(value) == pytest.approx(numbers[index], abs=1e-5)


def test_timeout_and_priority(triton: Triton) -> None:
    batch = triton.input("pixel_values", [1, *SHAPE], "FP32", pixels(0))
    with pytest.raises(Refused):
        triton.infer("pets", [batch], timeout=1)
    found = triton.infer("pets", [batch], priority=1, timeout=20_000_000)
    np.testing.assert_allclose(found.as_numpy("probabilities"), expected(0), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("pixel_values", "FP64", [1, *SHAPE]),
        ("pixel_values", "FP32", [1, 3, SIDE, SIDE // 2]),
        ("pixel_values", "FP32", [0, *SHAPE]),
        ("pixel_values", "FP32", [9, *SHAPE]),
        ("other", "FP32", [1, *SHAPE]),
    ],
)
def test_other_inputs_are_refused(triton: Triton, name: str, kind: str, shape: list[int]) -> None:
    data = np.zeros(shape, {"FP32": np.float32, "FP64": np.float64}[kind])
    with pytest.raises(Refused) as refused:
        triton.infer("pets", [triton.input(name, shape, kind, data)])
    assert "expected" in refused.value.message()


def test_outputs_and_images_that_cannot_be_had(triton: Triton) -> None:
    batch = triton.input("pixel_values", [1, *SHAPE], "FP32", pixels(0))
    with pytest.raises(Refused, match="outputs: expected"):
        triton.infer("pets", [batch], outputs=[triton.output("logits")])
    with pytest.raises(Refused, match="image"):
        triton.infer("pets", [triton.input("image", [1], "BYTES", encoded(b"no image"))])
    infinite = np.full([1, *SHAPE], np.inf, np.float32)
    with pytest.raises(Refused, match="finite"):
        triton.infer("pets", [triton.input("pixel_values", [1, *SHAPE], "FP32", infinite)])


def test_repository(triton: Triton) -> None:
    """A file that comes with a load is uploaded, one that is damaged changes nothing."""
    name = f"birds-{triton.kind.__name__.split('.')[1]}-{id(triton) % 9973}"
    first, second = (task_file(SMALL, name, seed=seed).to_bytes() for seed in (1, 2))
    triton.load_model(name, config="{}", files={"file:1/task.safetensors": first})
    assert triton.is_model_ready(name, "1") is True
    with pytest.raises(Refused, match="failed to load"):
        triton.load_model(name, config="{}", files={"file:2/task.safetensors": second[:-9]})
    with pytest.raises(Refused, match="file:2/"):
        triton.load_model(name, config="{}", files={"file:7/task.safetensors": second})
    assert triton.is_model_ready(name, "1") is True
    rows = {(row["name"], row["version"]): row for row in _index(triton)}
    assert rows[name, "1"]["state"] == "READY"
    assert rows[name, "2"]["state"] == "UNAVAILABLE"
    assert rows[name, "2"]["reason"]
    triton.load_model(name, config="{}", files={"file:2/task.safetensors": second})
    batch = triton.input("pixel_values", [1, *SHAPE], "FP32", pixels(0))
    found = triton.infer(name, [batch], "2").as_numpy("probabilities")
    np.testing.assert_allclose(found, expected(0, file=TaskFile.from_bytes(second)), atol=1e-5)
    found = triton.infer(name, [batch], "1").as_numpy("probabilities")  # not live, but stored
    np.testing.assert_allclose(found, expected(0, file=TaskFile.from_bytes(first)), atol=1e-5)
    with pytest.raises(Refused):
        triton.infer(name, [batch], "7")
    policy = '{"version_policy": {"specific": {"versions": [1]}}}'
    triton.load_model(name, config=policy)
    assert triton.is_model_ready(name, "1") is True
    for _ in range(2):
        triton.unload_model(name)
    assert triton.is_model_ready(name) is False
    triton.load_model(name)
    assert triton.is_model_ready(name, "2") is True
    with pytest.raises(Refused):
        triton.load_model("nobody")


def _index(triton: Triton) -> list[dict[str, str]]:
    found = triton.document("get_model_repository_index")
    return found["models"] if triton.is_grpc else found


def test_statistics_count_images_and_forwards(triton: Triton) -> None:
    def counted() -> tuple[int, int]:
        (found,) = triton.document("get_inference_statistics", "pets")["model_stats"]
        return int(found.get("inference_count", 0)), int(found.get("execution_count", 0))

    images, forwards = counted()
    batch = triton.input("pixel_values", [3, *SHAPE], "FP32", pixels(0, 1, 2))
    triton.infer("pets", [batch])
    assert counted()[0] == images + 3
    assert forwards < counted()[1] <= forwards + 3
    everything = triton.document("get_inference_statistics")["model_stats"]
    assert {"pets", "other"} <= {each["name"] for each in everything}
    with pytest.raises(Refused):
        triton.document("get_inference_statistics", "nobody")


def test_a_hundred_at_once_over_ten_tasks(live: Live) -> None:
    """Each answer equals that of its task asked alone."""
    aio = pytest.importorskip("tritonclient.http.aio")
    kind = pytest.importorskip("tritonclient.http")
    files = [task_file(SMALL, f"many-{index}", layers=index % 3, seed=index) for index in range(10)]
    with live.client() as client:
        for file in files:
            assert upload(client, file).status_code in (200, 201)

    async def ask_all() -> list[Any]:
        client = aio.InferenceServerClient(live.http, conn_limit=100)
        calls = []
        for number in range(100):
            tensor = kind.InferInput("pixel_values", [1, *SHAPE], "FP32")
            tensor.set_data_from_numpy(pixels(number))
            calls.append(client.infer(f"many-{number % 10}", [tensor]))
        found = await asyncio.gather(*calls)
        await client.close()
        return [each.as_numpy("probabilities") for each in found]

    for number, found in enumerate(asyncio.run(ask_all())):
        wanted = expected(number, file=files[number % 10])
        np.testing.assert_allclose(found, wanted, atol=1e-5)
