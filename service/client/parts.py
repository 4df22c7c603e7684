"""Images of a call, and the requests that they go in."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, cast

import httpx

from .errors import ClientError

IMAGES_PER_REQUEST = 32
REQUEST_BYTES = 16 * 2**20
"""Bytes of the images of one request, unless a single one has more; far below a server's limit."""

LABELS_PER_REQUEST = 50_000
"""Labels of all images of a request; a server makes no answer of more than twice as many."""

Image = bytes | tuple[str, bytes] | os.PathLike[str]
"""An encoded image: its bytes, a file name with its bytes, or a file to read."""

BINARY = "application/octet-stream"

UNNAMED = "image"
"""A part of a form is a file only if it has a name."""

Named = Sequence[tuple[str | None, bytes]]
Name = TypeVar("Name")
Data = TypeVar("Data", bound=bytes | Path | OSError)


def named(images: Image | Iterable[Image]) -> Iterator[tuple[str | None, bytes | Path]]:
    """Yield each image with its name, as bytes or as a file to read.

    Raises:
        ClientError: one is something else.
    """
    one = isinstance(images, bytes | os.PathLike) or _is_pair(images)
    for image in cast(Iterable[Image], [images] if one else images):
        if isinstance(image, bytes):
            yield None, image
        elif isinstance(image, os.PathLike):
            path = Path(image)
            yield path.name, path
        elif _is_pair(image):
            yield image
        else:
            raise ClientError(
                "images: expected bytes, a name with bytes, or a path, "
                f"found {type(image).__name__}"
            )


def in_requests(
    images: Iterable[tuple[Name, Data]],
    *,
    max_images: int = IMAGES_PER_REQUEST,
    max_bytes: int = REQUEST_BYTES,
) -> Iterator[list[tuple[Name, Data]]]:
    """Yield images, each with its bytes, its file or why it cannot be read, by the request.

    Raises:
        OSError: there is no such file.
    """
    group: list[tuple[Name, Data]] = []
    size = 0
    for name, data in images:
        more = _size(data)
        if group and (len(group) >= max_images or size + more > max_bytes):
            yield group
            group, size = [], 0
        group.append((name, data))
        size += more
    if group:
        yield group


def read(group: Sequence[tuple[Name, bytes | Path]]) -> Sequence[tuple[Name, bytes]]:
    """Return the images of a request with the bytes of their files.

    Raises:
        OSError: a file cannot be read.
    """
    return [(name, data if isinstance(data, bytes) else data.read_bytes()) for name, data in group]


def body(part: Named, tasks: Sequence[str]) -> dict[str, Any]:
    """Return the body of a predict call, as arguments of httpx: one image as it is, or a form.

    Args:
        part: the images.
        tasks: to be named in a form; none where the path has the task.
    """
    if len(part) == 1 and not tasks and (data := part[0][1]):  # a body must not be empty
        return {"content": data, "headers": {"Content-Type": BINARY}}
    files = [("file", (name or UNNAMED, data)) for name, data in part]
    form = httpx.Request("POST", "http://form", files=files, data={"tasks": tasks} if tasks else {})
    # In one piece: httpx would send each part by itself, and wait for it.
    return {"content": form.read(), "headers": {"Content-Type": form.headers["Content-Type"]}}


def _size(data: bytes | Path | OSError) -> int:
    if isinstance(data, Path):
        return data.stat().st_size
    return len(data) if isinstance(data, bytes) else 0


def _is_pair(image: object) -> TypeGuard[tuple[str, bytes]]:
    return isinstance(image, tuple) and [type(part) for part in image] == [str, bytes]
