"""The calls about trainings, as the steps that `Client` does and `AsyncClient` awaits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from facet_vision.service.client.answers import Published
from facet_vision.service.client.calls import LabelledImages, each_part
from facet_vision.service.client.exchange import Exchange, Steps
from facet_vision.service.client.parts import UNNAMED, Image, named

from .answers import TrainingDetail, TrainingImage, TrainingImages, TrainingList, TrainingSummary

PATH = "/v1/trainings"


def create(exchange: Exchange, task: str, **options: Any) -> Steps[TrainingSummary]:
    """Create a training; options that are None are the server's to choose."""
    given = {name: value for name, value in options.items() if value is not None}
    document = {"task": task, **given}
    # Sent again, it would be a second training.
    options = {"json": document, "idempotent": False}
    return (yield from exchange.get(TrainingSummary, "POST", PATH, **options))


def every(exchange: Exchange) -> Steps[TrainingList]:
    """List the trainings."""
    return (yield from exchange.get(TrainingList, "GET", PATH))


def one(exchange: Exchange, id: str) -> Steps[TrainingDetail]:
    """Show a training."""
    return (yield from exchange.get(TrainingDetail, "GET", _path(id)))


def images(exchange: Exchange, id: str) -> Steps[TrainingImages]:
    """List the images of a training."""
    return (yield from exchange.get(TrainingImages, "GET", f"{_path(id)}/images"))


def add_images(
    exchange: Exchange,
    id: str,
    labelled: Mapping[str, Image | Iterable[Image]],
    *,
    max_images: int,
    max_bytes: int,
) -> Steps[TrainingImages]:
    """Send labelled images, in as many requests as they need."""
    given = (
        ((label, file or UNNAMED), data)
        for label, own in labelled.items()
        for file, data in named(own)
    )
    added: list[TrainingImage] = []

    def send(part: LabelledImages) -> Steps[TrainingImages]:
        files = [("file", (file, data)) for (_, file), data in part]
        form = {"files": files, "data": {"label": [label for (label, _), _ in part]}}
        return (yield from exchange.get(TrainingImages, "POST", f"{_path(id)}/images", **form))

    def done(_part: LabelledImages, answer: TrainingImages) -> None:
        added.extend(answer.images)

    yield from each_part(given, send, done, max_images, max_bytes)
    return TrainingImages(images=tuple(added))


def label(exchange: Exchange, id: str, image: str, label: str) -> Steps[TrainingImage]:
    """Give an image another label."""
    path = _image(id, image)
    return (yield from exchange.get(TrainingImage, "PUT", path, json={"label": label}))


def remove_image(exchange: Exchange, id: str, image: str) -> Steps[None]:
    """Remove an image."""
    yield from exchange.send("DELETE", _image(id, image), idempotent=False)


def act(exchange: Exchange, id: str, what: str) -> Steps[TrainingSummary]:
    """Start or cancel a training."""
    path = f"{_path(id)}/{what}"
    return (yield from exchange.get(TrainingSummary, "POST", path, idempotent=False))


def publish(exchange: Exchange, id: str, activate: bool) -> Steps[Published]:
    """Publish what a training made."""
    path = f"{_path(id)}/publish"
    return (yield from exchange.get(Published, "POST", path, json={"activate": activate}))


def delete(exchange: Exchange, id: str) -> Steps[None]:
    """Delete a training with its images and all."""
    yield from exchange.send("DELETE", _path(id), idempotent=False)


def _path(id: str) -> str:
    return f"{PATH}/{quote(id, safe='')}"


def _image(id: str, image: str) -> str:
    return f"{_path(id)}/images/{quote(image, safe='')}"
