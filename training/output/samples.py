"""Sample images: a few held-out images to try a task with, in a folder or in its file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from facet_vision.prompts_store import TaskFile
from facet_vision.prompts_store.samples.facts import MAX_SAMPLE_BYTES, MediaType, SampleFacts
from facet_vision.training.data.datasets import TaskData

SAMPLE_COUNT = 3

MAX_SIDE = 256
"""Pixels of the longer side of an image in a task file; a larger one is reduced."""

QUALITIES = (90, 75, 50, 25)
"""Of JPEG, tried one after another where an image is too large."""


def save_samples(data: TaskData, folder: Path, count: int = SAMPLE_COUNT) -> list[Path]:
    """Write the first held-out image of `count` labels as `<label>-<number>.png`.

    The labels are spread evenly over all that occur. The number is the image's index in the
    held-out part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(data, index, folder) for index in _chosen_rows(data, count)]


def _chosen_rows(data: TaskData, count: int) -> list[int]:
    present = sorted(set(data.measured.targets))
    step = max(1, len(present) / count)
    wanted = [present[int(step * number)] for number in range(min(count, len(present)))]
    return [list(data.measured.targets).index(target) for target in wanted]


def _save(data: TaskData, index: int, folder: Path) -> Path:
    label = re.sub(r"[^\w.-]+", "_", data.names(data.measured.targets[index]))
    path = folder / f"{label}-{index}.png"
    data.measured.image(index).save(path)
    return path


def with_samples(task: TaskFile, data: TaskData, count: int) -> TaskFile:
    """Return a task with the first held-out image of `count` labels in its file.

    They are those of `save_samples`, small and without what a camera has noted about them.
    """
    if not count:
        return task
    rows = _chosen_rows(data, count)
    images = [_embedded(data.measured.image(row)) for row in rows]
    facts = tuple(
        SampleFacts(label=_shown(data, row), media_type=kind)
        for row, (kind, _) in zip(rows, images, strict=True)
    )
    samples = tuple(
        torch.frombuffer(bytearray(encoded), dtype=torch.uint8) for _, encoded in images
    )
    manifest = task.manifest.model_copy(update={"samples": facts})
    return replace(task, manifest=manifest, samples=samples)


def _shown(data: TaskData, row: int) -> str:
    label = data.names(data.measured.targets[row])
    return label if len(label) <= 500 else f"{label[:499]}…"


def _embedded(image: Image.Image) -> tuple[MediaType, bytes]:
    """Return an image's bytes and their type: PNG where that fits, as it loses nothing."""
    small = Image.new("RGB", image.size)
    small.paste(image)  # the pixels alone
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    return next(each for each in _encodings(small) if len(each[1]) <= MAX_SAMPLE_BYTES)


def _encodings(image: Image.Image) -> Iterator[tuple[MediaType, bytes]]:
    yield "image/png", _encoded(image, "PNG")
    for quality in QUALITIES:
        yield "image/jpeg", _encoded(image, "JPEG", quality=quality)


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
