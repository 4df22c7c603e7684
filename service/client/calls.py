"""Every call of the client, as the steps that `Client` does and `AsyncClient` awaits."""

from __future__ import annotations

import hashlib
import os
import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx

from .answers import (
    Embedding,
    EmbeddingList,
    ExamplesChanged,
    Live,
    PredictResponse,
    PredictResult,
    Published,
    TaskDetail,
    TaskExamples,
    TaskList,
    TaskSummary,
)
from .errors import ClientError
from .exchange import Exchange, Read, Steps
from .parts import (
    BINARY,
    LABELS_PER_REQUEST,
    UNNAMED,
    Image,
    Name,
    Named,
    body,
    in_requests,
    named,
    read,
)

DIVIDED = frozenset({"too-large", "bad-request"})
"""Reasons of a refusal that a smaller request may not meet; a form of too many files is a bad
request."""

LabelledImages = Sequence[tuple[tuple[str, str], bytes]]
"""Images, each with its label and a file name."""

T = TypeVar("T")
Answer = TypeVar("Answer", PredictResult, Embedding)


def http_options(url: str, key: str | None) -> dict[str, Any]:
    """Return what httpx's clients are made with.

    Args:
        key: None for that of the variable FACET_KEY; an empty one is not shown.

    Raises:
        ClientError: the key is no text of one. The sentence does not repeat it.
    """
    shown = os.environ.get("FACET_KEY") if key is None else key
    if shown and (not (shown.isascii() and shown.isprintable()) or " " in shown):
        raise ClientError("key: expected one as facet keys new prints it, found another text")
    headers = {"Authorization": f"Bearer {shown}"} if shown else {}
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ClientError(
            f"url: expected one such as http://127.0.0.1:8000, found {url!r} ({error})"
        ) from None
    return {"base_url": url, "headers": headers}


def tasks(exchange: Exchange, per_request: int) -> Steps[TaskList]:
    """List all tasks, by pages of so many."""
    found: tuple[TaskSummary, ...] = ()
    query: dict[str, Any] = {"limit": per_request}
    while True:
        page = yield from exchange.get(TaskList, "GET", "/v1/tasks", params=query)
        found += page.tasks
        if page.next is None:
            return page.model_copy(update={"tasks": found})
        query["after"] = page.next


def task(exchange: Exchange, name: str) -> Steps[TaskDetail]:
    """Show one task."""
    return (yield from exchange.get(TaskDetail, "GET", _path(name)))


def publish(
    exchange: Exchange, name: str, file: bytes | os.PathLike[str], activate: bool
) -> Steps[Published]:
    """Upload a task file, and see that the server has stored the same bytes.

    Raises:
        ClientError: it has others.
    """
    data = file if isinstance(file, bytes) else (yield Read(Path(file).read_bytes))
    assert isinstance(data, bytes)
    made = yield from exchange.get(
        Published,
        "POST",
        f"{_path(name)}/versions",
        params={"activate": "true" if activate else "false"},
        content=data,
        headers={"Content-Type": BINARY},
    )
    if made.sha256 != (expected := hashlib.sha256(data).hexdigest()):
        raise ClientError(
            f"task '{name}': expected version {made.version} with the sha256 {expected}, "
            f"found {made.sha256}"
        )
    return made


def download(exchange: Exchange, name: str, version: int) -> Steps[bytes]:
    """Return a task file."""
    response = yield from exchange.send("GET", f"{_path(name)}/versions/{version}")
    return response.content


def activate(exchange: Exchange, name: str, version: int) -> Steps[Live]:
    """Make a stored version live."""
    path = f"{_path(name)}/live"
    return (yield from exchange.get(Live, "PUT", path, json={"version": version}))


def live_version(exchange: Exchange, name: str) -> Steps[int]:
    """Return the number of the live version.

    Raises:
        ClientError: there is none.
    """
    shown = yield from task(exchange, name)
    if shown.live is None:
        raise ClientError(f"task '{name}': expected a live version, found it {shown.state}")
    return shown.live


def rollback(exchange: Exchange, name: str) -> Steps[Live]:
    """Make the version live that was live before the one that is.

    Raises:
        ClientError: no other version was ever live, or none that is still stored.
    """
    shown = yield from task(exchange, name)
    stored = {version.number for version in shown.stored} - {shown.live}
    for event in reversed(shown.history):
        if event.event == "activate" and event.version in stored:
            return (yield from activate(exchange, name, event.version))
    raise ClientError(
        f"task '{name}': expected a version that was live before, found none in its history"
    )


def retire(exchange: Exchange, name: str) -> Steps[None]:
    """Take a task out of service."""
    yield from exchange.send("DELETE", _path(name), idempotent=False)


def delete(exchange: Exchange, name: str, version: int) -> Steps[None]:
    """Delete a version that is not live."""
    yield from exchange.send("DELETE", f"{_path(name)}/versions/{version}", idempotent=False)


def examples(exchange: Exchange, name: str) -> Steps[TaskExamples]:
    """List the examples of an instant task."""
    return (yield from exchange.get(TaskExamples, "GET", f"{_path(name)}/examples"))


def add_examples(
    exchange: Exchange,
    name: str,
    labelled: Mapping[str, Image | Iterable[Image]],
    *,
    method: str | None,
    adaptation: str | None,
    max_images: int,
    max_bytes: int,
) -> Steps[ExamplesChanged]:
    """Send labelled images to an instant task, in as many requests as they need.

    Raises:
        ClientError: there is no image, or the server refuses one; requests before it stay.
    """
    given = {"method": method, "adaptation": adaptation}
    params = {name: value for name, value in given.items() if value is not None}
    images = (
        ((label, file or UNNAMED), data)
        for label, own in labelled.items()
        for file, data in named(own)
    )
    made: list[ExamplesChanged] = []

    def send(part: LabelledImages) -> Steps[ExamplesChanged]:
        files = [("file", (file, data)) for (_, file), data in part]
        form = {"files": files, "data": {"label": [label for (label, _), _ in part]}}
        path = f"{_path(name)}/examples"
        return (yield from exchange.get(ExamplesChanged, "POST", path, params=params, **form))

    def done(_part: LabelledImages, answer: ExamplesChanged) -> None:
        made.append(answer)

    yield from each_part(images, send, done, max_images, max_bytes)
    if not made:
        raise ClientError("examples: expected at least one image, found none")
    ids = tuple(id for answer in made for id in answer.examples)
    return made[-1].model_copy(update={"examples": ids})


def change_method(exchange: Exchange, name: str, method: str) -> Steps[ExamplesChanged]:
    """Make another kind of head of the examples of an instant task."""
    path, params = f"{_path(name)}/examples", {"method": method}
    return (yield from exchange.get(ExamplesChanged, "PATCH", path, params=params))


def forget(
    exchange: Exchange, name: str, label: str | None, example: str | None
) -> Steps[ExamplesChanged]:
    """Forget a label of an instant task, or one of its examples.

    Raises:
        ClientError: neither or both are named, or the task has no such.
    """
    if (label is None) == (example is None):
        raise ClientError(
            f"forget: expected a label or an example, found {'none' if label is None else 'both'}"
        )
    path, params = f"{_path(name)}/examples", {}
    if label is not None:
        params["label"] = label
    else:
        path += f"/{quote(str(example), safe='')}"
    options: dict[str, Any] = {"params": params, "idempotent": False}
    return (yield from exchange.get(ExamplesChanged, "DELETE", path, **options))


def predict(
    exchange: Exchange,
    asked: str | Sequence[str],
    images: Image | Iterable[Image],
    *,
    top_k: int,
    abstain: bool,
    priority: str | None,
    max_images: int,
    max_bytes: int,
) -> Steps[list[PredictResult]]:
    """Ask one task or several about images, in as many requests as they need."""
    names = [asked] if isinstance(asked, str) else list(asked)
    if not names:
        raise ClientError("task: expected at least one name, found none")
    alone = isinstance(asked, str) and asked != "*"
    params: dict[str, Any] = {"top_k": top_k}
    if abstain:  # a server that does not know it refuses it
        params["abstain"] = "true"
    if priority:
        params["priority"] = priority
    rest: dict[str, Any] = {"params": params, "counts_down": True}
    path = f"{_path(names[0])}/predict" if alone else "/v1/predict"

    def send(part: Named) -> Steps[Sequence[PredictResult]]:
        content = body(part, [] if alone else names)
        answer = yield from exchange.get(PredictResponse, "POST", path, **content, **rest)
        return answer.results

    most = max(1, LABELS_PER_REQUEST // max(1, top_k * len(names)))
    return (yield from _in_parts(images, send, min(max_images, most), max_bytes))


def embed(
    exchange: Exchange,
    model: str,
    images: Image | Iterable[Image],
    *,
    dimensions: int | None,
    max_images: int,
    max_bytes: int,
) -> Steps[list[Embedding]]:
    """Embed images, in as many requests as they need."""
    wanted: dict[str, Any] = {"model": model, "encoding_format": "base64"}
    if dimensions is not None:
        wanted["dimensions"] = dimensions

    def send(part: Named) -> Steps[Sequence[Embedding]]:
        asked = wanted | {"input": [b64encode(data).decode("ascii") for _, data in part]}
        answer = yield from exchange.get(EmbeddingList, "POST", "/v1/embeddings", json=asked)
        return [
            Embedding(
                image=one.index,
                model=answer.model,
                version=answer.version,
                vector=_numbers(one.embedding),
            )
            for one in answer.data
        ]

    return (yield from _in_parts(images, send, max_images, max_bytes))


def _in_parts(
    images: Image | Iterable[Image],
    send: Callable[[Named], Steps[Sequence[Answer]]],
    max_images: int,
    max_bytes: int,
) -> Steps[list[Answer]]:
    """Return the answers about all images in their order."""
    found: list[Answer] = []
    sent = 0

    def done(part: Named, answers: Sequence[Answer]) -> None:
        nonlocal sent
        for answer in answers:  # positions count within one request
            place = {"image": sent + answer.image, "file": part[answer.image][0]}
            found.append(answer.model_copy(update=place))
        sent += len(part)

    yield from each_part(named(images), send, done, max_images, max_bytes)
    return found


def each_part(
    images: Iterable[tuple[Name, bytes | Path]],
    send: Callable[[Sequence[tuple[Name, bytes]]], Steps[T]],
    done: Callable[[Sequence[tuple[Name, bytes]], T], None],
    max_images: int,
    max_bytes: int,
) -> Steps[None]:
    """Send images in as many requests as they need, one after another.

    A request that is too large for the server is divided until it is not.
    """
    for name, value in (("max_images", max_images), ("max_bytes", max_bytes)):
        if value < 1:
            raise ClientError(f"{name}: expected at least 1, found {value}")
    for group in in_requests(images, max_images=max_images, max_bytes=max_bytes):
        waiting: list[Sequence[tuple[Name, bytes]]] = [(yield from _loaded(group))]
        while waiting:
            part = waiting.pop()
            try:
                answer = yield from send(part)
            except ClientError as error:
                if error.reason not in DIVIDED or len(part) == 1:
                    raise
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
                continue
            done(part, answer)


def _loaded(group: Sequence[tuple[Name, bytes | Path]]) -> Steps[Sequence[tuple[Name, bytes]]]:
    if any(isinstance(data, Path) for _, data in group):
        return cast(Sequence[tuple[Name, bytes]], (yield Read(partial(read, group))))
    return read(group)


def _numbers(text: str) -> tuple[float, ...]:
    numbers = array("f", b64decode(text))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)


def _path(task: str) -> str:
    return f"/v1/tasks/{quote(task, safe='')}"
