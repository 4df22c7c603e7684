"""Image files that the command line names, and requests about many of them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facet_vision.common.errors import UsageError
from facet_vision.common.image_files import images_below

from .answers import PredictResult
from .client import Client
from .errors import ClientError
from .parts import in_requests

OF_ONE_IMAGE = frozenset({"bad-image", "too-large", "unsupported-media"})
"""Reasons of refusals that one image of a request can be the cause of."""


@dataclass(frozen=True)
class Answer:
    """What was found out about one file: the server's result, or why there is none."""

    path: Path
    result: PredictResult | None = None
    error: str | None = None


def expand(texts: Sequence[str]) -> list[Path]:
    """Return the files that the arguments of a command name, in their order.

    A folder stands for all images in it at any depth, a pattern for what it matches; both in the
    order of their names.

    Raises:
        UsageError: an argument names nothing.
    """
    return [path for text in texts for path in _expanded(text)]


def _expanded(text: str) -> list[Path]:
    path = Path(text)
    if path.exists():
        found = [path]
    else:
        found = [Path(match) for match in sorted(glob.glob(text, recursive=True))]
        if not found:
            kind = "files that match" if glob.has_magic(text) else "a file or folder"
            raise UsageError(f"images: expected {kind}, found none at {text}")
    images = [image for each in found for image in _images(each)]
    if not images:
        raise UsageError(f"images: expected image files, found none in {text}")
    return images


def _images(path: Path) -> list[Path]:
    return images_below(path) if path.is_dir() else [path]


def ask(
    client: Client, task: str, paths: Sequence[Path], *, top_k: int, abstain: bool
) -> Iterator[Answer]:
    """Yield the answer about every file, in their order; one that cannot be answered stops none.

    Raises:
        ClientError: the server refuses for another reason than an image.
    """
    for group in in_requests((path, _read(path)) for path in paths):
        sent = [(str(path), data) for path, data in group if isinstance(data, bytes)]
        answered = iter(_answers(client, task, sent, {"top_k": top_k, "abstain": abstain}))
        for path, data in group:
            if isinstance(data, bytes):
                result, error = next(answered)
                yield Answer(path, result, error)
            else:
                yield Answer(path, error=f"file: expected a readable one, found {data.strerror}")


def _read(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error


def _answers(
    client: Client, task: str, images: Sequence[tuple[str, bytes]], options: dict[str, Any]
) -> list[tuple[PredictResult | None, str | None]]:
    """Return the result or the error of each image.

    A request that one image spoils is divided until that image is alone.
    """
    if not images:
        return []
    try:
        return [(result, None) for result in client.predict(task, images, **options)]
    except ClientError as error:
        if error.reason not in OF_ONE_IMAGE:
            raise
        if len(images) == 1:
            return [(None, str(error))]
    middle = len(images) // 2
    first = _answers(client, task, images[:middle], options)
    return first + _answers(client, task, images[middle:], options)
