"""Images of a call, and the requests that they go in."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard, TypeVar, cast

from .errors import ClientError

IMAGES_PER_REQUEST = 32
REQUEST_BYTES = 16 * 2**20
"""Bytes of the images of one request, unless a single one has more; far below a server's limit."""

LABELS_PER_REQUEST = 50_000
"""Labels of all images of a request; a server makes no answer of more than twice as many."""

Image = bytes | tuple[str, bytes] | os.PathLike[str]
"""An encoded image: its bytes, a file name with its bytes, or a file to read."""

Name = TypeVar("Name")


def named(images: Image | Iterable[Image]) -> Iterator[tuple[str | None, bytes]]:
    """Yield each image as name and bytes; a file is read when its turn comes.

    Raises:
        ClientError: one is something else.
        OSError: a file cannot be read.
    """
    one = isinstance(images, bytes | os.PathLike) or _is_pair(images)
    for image in cast(Iterable[Image], [images] if one else images):
        if isinstance(image, bytes):
            yield None, image
        elif isinstance(image, os.PathLike):
            path = Path(image)
            yield path.name, path.read_bytes()
        elif _is_pair(image):
            yield image
        else:
            raise ClientError(
                "images: expected bytes, a name with bytes, or a path, "
                f"found {type(image).__name__}"
            )


def in_requests(
    images: Iterable[tuple[Name, bytes | OSError]],
    *,
    max_images: int = IMAGES_PER_REQUEST,
    max_bytes: int = REQUEST_BYTES,
) -> Iterator[list[tuple[Name, bytes | OSError]]]:
    """Yield images, each with its bytes or why it cannot be read, by the request."""
    group: list[tuple[Name, bytes | OSError]] = []
    size = 0
    for name, data in images:
        more = len(data) if isinstance(data, bytes) else 0
        if group and (len(group) >= max_images or size + more > max_bytes):
            yield group
            group, size = [], 0
        group.append((name, data))
        size += more
    if group:
        yield group


def _is_pair(image: object) -> TypeGuard[tuple[str, bytes]]:
    return isinstance(image, tuple) and [type(part) for part in image] == [str, bytes]
