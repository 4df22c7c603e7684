"""Small real parts for the service's tests: a backbone of two layers, task files for it, images."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from facet_vision import backbone
from facet_vision.backbone import Backbone, decode_image
from facet_vision.prompts_store import Distance, Head, Manifest, TaskFile
from facet_vision.prompts_store.confidence.threshold import Threshold

DIM, DEPTH, SIDE = 32, 2, 32


def small_backbone(seed: int = 0) -> Backbone:
    """A random ViT of two layers, the same for the same seed in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = VisionTransformer(
            img_size=SIDE, patch_size=16, embed_dim=DIM, depth=DEPTH, num_heads=2, num_classes=0
        )
    return backbone.wrap(model, name="small", device="cpu")


def task_file(
    on: Backbone,
    task: str,
    *,
    layers: int = 0,
    tokens: int = 3,
    labels: Sequence[str] = ("cat", "dog"),
    seed: int = 0,
    bias: Sequence[float] | None = None,
    **manifest: Any,
) -> TaskFile:
    """A random task: `layers` is 0 (linear), 1 (shallow) or the backbone's depth (deep).

    With `bias` the head ignores the image and answers with these logits, which makes a version
    recognisable.
    """
    random = torch.Generator().manual_seed(seed)
    prompts = tuple(torch.randn(tokens, dim, generator=random) for dim in on.layer_dims[:layers])
    weight = torch.randn(len(labels), on.feature_dim, generator=random)
    logits = torch.randn(len(labels), generator=random)
    if bias is not None:
        weight, logits = torch.zeros_like(weight), torch.tensor(bias, dtype=torch.float32)
    fields: dict[str, Any] = {
        "task": task,
        "method": {0: "linear", 1: "vpt-shallow"}.get(layers, "vpt-deep"),
        "backbone": on.name,
        "fingerprint": on.fingerprint,
        "identity": on.identity,
        "layers": layers,
        "tokens": tokens if layers else 0,
        "pooling": on.pooling,
        "head": "linear",
        "labels": tuple(labels),
        "activation": "softmax",
        "input_size": on.preprocess.input_size,
        "mean": on.preprocess.mean,
        "std": on.preprocess.std,
        "data": "random",
        "recipe": {},
        "metrics": {"accuracy": 0.5},
        "created": datetime(2025, 1, 1, tzinfo=UTC),
    }
    return TaskFile(Manifest(**(fields | manifest)), prompts, Head(((weight, logits),)))


def numbered(
    on: Backbone, task: str, number: int, classes: int = 64, description: str = ""
) -> bytes:
    """A task file whose answer is `v<number>`, with nearly all of the probability."""
    labels = [f"v{index}" for index in range(classes)]
    bias = [20.0 if index == number else 0.0 for index in range(classes)]
    layers = number % 3 and DEPTH  # linear and deep tasks alternate
    options = {"layers": layers, "seed": number, "description": description}
    return task_file(on, task, labels=labels, bias=bias, **options).to_bytes()


def png(seed: int = 0, size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """A noise image."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (size[1], size[0], 3), generator=random, dtype=torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(buffer, "PNG")
    return buffer.getvalue()


TASK_FILE = {"Content-Type": "application/octet-stream"}
PNG = {"Content-Type": "image/png"}


def upload(client: Any, file: TaskFile | bytes, task: str | None = None, **query: Any) -> Any:
    """Upload a task file through any httpx-like client."""
    data = file if isinstance(file, bytes) else file.to_bytes()
    name = task or TaskFile.from_bytes(data).manifest.task
    return client.post(f"/v1/tasks/{name}/versions", content=data, headers=TASK_FILE, params=query)


def ask(client: Any, task: str, image: bytes | None = None, **query: Any) -> Any:
    """Send one image to one task."""
    return client.post(
        f"/v1/tasks/{task}/predict", content=image or png(), headers=PNG, params=query
    )


def assert_problem(response: Any, status: int, *words: str) -> None:
    """A problem document of this status whose one sentence holds these words."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert set(document) == {"type", "title", "status", "detail", "instance", "request_id"}
    assert document["request_id"] == response.headers["x-request-id"]
    assert "\n" not in document["detail"]
    for word in words:
        assert word in document["detail"]


def metrics(client: Any) -> dict[str, float]:
    """Every series of /metrics with its value."""
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def sure(on: Backbone, file: TaskFile, images: Sequence[bytes], most: float) -> TaskFile:
    """The same task, which answers images whose feature is within `most` of that of one of these.

    There is one of these images for each label.
    """
    pixels = torch.stack([on.preprocess(decode_image(image)) for image in images])
    with torch.inference_mode():
        features = on.features(pixels, file.prompts, form="tokens").clone()
    distance = Distance(torch.zeros(1, on.feature_dim), features, torch.ones(1))
    stated = {"score": "distance", "value": most, "share": 0.95, "images": 20, "source": "held-out"}
    manifest = file.manifest.model_copy(update={"threshold": Threshold.model_validate(stated)})
    return TaskFile(manifest, file.prompts, file.head, distance=distance)
