"""Materials of a benchmark: random weights, random tasks in a store, and photo-like images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image

from facet_vision import backbone
from facet_vision.backbone import Backbone, tiny
from facet_vision.prompts_store import Head, Identity, Manifest, Store, TaskFile
from facet_vision.prompts_store.storage.folder import Folder

KINDS = {"deep": "vpt-deep", "shallow": "vpt-shallow", "linear": "linear"}
IMAGES = 16
IMAGE_SIZE = (500, 375)
"""Width and height of a typical photo of ImageNet, in pixels."""

EMBEDDED = "facet-tiny"


@dataclass(frozen=True)
class Materials:
    """The contents of a folder, for the servers and the load.

    Attributes:
        backbone, checkpoint, dtype: what to load; no checkpoint for the embedded backbone.
        tasks: names of those in the store.
        images: JPEG files.
    """

    folder: Path
    backbone: str
    checkpoint: Path | None
    dtype: str
    tasks: tuple[str, ...]
    images: tuple[Path, ...]

    @property
    def store(self) -> Path:
        """Folder of the store with the tasks."""
        return self.folder / "store"

    @property
    def weights(self) -> Path:
        """File with the backbone's weights, also where Facet has them embedded."""
        return self.checkpoint or tiny.WEIGHTS


@dataclass(frozen=True)
class TaskShape:
    """The tasks' kind ("deep", "shallow" or "linear"), prompts per layer and number of classes."""

    kind: str = "deep"
    tokens: int = 50
    labels: int = 10


def prepare(
    folder: Path,
    name: str,
    *,
    dtype: str,
    tasks: int,
    shape: TaskShape,
    image_size: tuple[int, int] = IMAGE_SIZE,
) -> tuple[Materials, Backbone]:
    """Make all materials.

    Returns:
        The materials, and the backbone that made the tasks in the execution that a server chooses.
    """
    checkpoint = None if name == EMBEDDED else save_weights(name, folder / "backbone.safetensors")
    net = backbone.load(name, checkpoint=checkpoint, dtype=dtype, execution="auto")
    names = task_names(tasks)
    fill_store(
        folder / "store", (task_file(net, task, shape, seed) for seed, task in enumerate(names))
    )
    images = save_images(folder, size=image_size)
    return Materials(folder, name, checkpoint, dtype, names, images), net


def task_names(count: int) -> tuple[str, ...]:
    """Return the names of `count` tasks; they sort in the order of their numbers."""
    return tuple(f"task-{number:05}" for number in range(count))


def save_weights(name: str, path: Path) -> Path:
    """Save random weights of a timm model, the same every time: speed does not depend on them."""
    torch.manual_seed(0)
    net = backbone.load(name, pretrained=False, device="cpu", dtype="float32")
    weights = {key: value.contiguous() for key, value in net.model.state_dict().items()}
    safetensors.torch.save_file(weights, path)
    return path


def task_file(net: Backbone, task: str, shape: TaskShape, seed: int) -> TaskFile:
    """Make a random task that fits the backbone."""
    layers = {"deep": len(net.layer_dims), "shallow": 1, "linear": 0}[shape.kind]
    if not shape.tokens:
        layers = 0
    random = torch.Generator().manual_seed(seed)
    prompts = tuple(
        0.1 * torch.randn(shape.tokens, dim, generator=random) for dim in net.layer_dims[:layers]
    )
    weight = 0.02 * torch.randn(shape.labels, net.feature_dim, generator=random)
    manifest = Manifest(
        task=task,
        method=KINDS[shape.kind],
        backbone=net.name,
        fingerprint=net.fingerprint,
        identity=Identity.model_validate(net.identity),
        layers=layers,
        tokens=shape.tokens if layers else 0,
        pooling=net.pooling,
        head="linear",
        labels=tuple(f"class {number}" for number in range(shape.labels)),
        activation="softmax",
        input_size=(3, *net.input_size[1:]),
        mean=net.mean,
        std=net.std,
        data="random numbers",
        recipe={},
        metrics={},
        created=datetime(2025, 1, 1, tzinfo=UTC),
    )
    return TaskFile(manifest, prompts, Head(((weight, torch.zeros(shape.labels)),)))


def fill_store(folder: Path, files: Iterable[TaskFile]) -> None:
    """Publish and activate tasks in a folder, unlike the service without waiting for the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(Folder(folder, sync=lambda _: None))
    for file in files:
        task = file.manifest.task
        version = store.publish(task, file.to_bytes(torch.float16), by="bench")
        store.activate(task, version.number, by="bench")


def save_images(
    folder: Path, count: int = IMAGES, size: tuple[int, int] = IMAGE_SIZE
) -> tuple[Path, ...]:
    """Save JPEG files that compress like photos: smooth shapes with some grain."""
    paths = []
    for number, image in enumerate(_images(count, size)):
        path = folder / f"{number:02}.jpg"
        image.save(path, "JPEG", quality=90)
        paths.append(path)
    return tuple(paths)


def _images(count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    random = np.random.default_rng(0)
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        grain = random.normal(0, 8, smooth.shape)
        yield Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
