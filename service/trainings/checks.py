"""What a training must be for what is asked of it."""

from collections.abc import Iterable

from facet_vision.service.errors import TrainingFull, UnknownImage, WrongState
from facet_vision.service.settings import Settings

from .owner import whereabouts
from .record import Image, Training

LEAST_LABELS = 2
LEAST_IMAGES, LEAST_IMAGES_OF_AUTO = 2, 4
"""With fewer images of a label none could be held out to measure on, or to choose a method on."""


def left_behind(training: Training, owner: str) -> bool:
    """Return whether a training waits or runs at a server that this one cannot see at work.

    Args:
        training: any.
        owner: name of this server.
    """
    mine = training.owner == owner
    return training.busy and not mine and whereabouts(training.owner) != "here"


def check_idle(training: Training, owner: str) -> None:
    """Raise WrongState while a training waits or runs, unless it was left behind."""
    if training.busy and not left_behind(training, owner):
        raise WrongState(
            f"training '{training.id}': expected it neither queued nor running, found it "
            f"{training.state}"
        )


def check_enough(training: Training) -> None:
    """Raise WrongState where nothing can be learned from the images."""
    labels = training.labels
    if len(labels) < LEAST_LABELS:
        found = f"only {next(iter(labels))[:60]!r}" if labels else "none"
        raise WrongState(
            f"training '{training.id}': expected images of at least {LEAST_LABELS} labels, "
            f"found {found}"
        )
    least = LEAST_IMAGES_OF_AUTO if training.plan.method == "auto" else LEAST_IMAGES
    label, count = min(labels.items(), key=lambda each: each[1])
    if count < least:
        raise WrongState(
            f"training '{training.id}': expected at least {least} images of each label, "
            f"found {count} of {label[:60]!r}"
        )


def check_room(training: Training, more: Iterable[Image], settings: Settings) -> None:
    """Raise TrainingFull where a training with more images would hold more than it may."""
    images = {**training.images, **{image.id: image for image in more}}
    if len(images) > settings.max_training_images:
        raise TrainingFull(
            f"training '{training.id}': expected at most {settings.max_training_images} images, "
            f"found {len(images)}"
        )
    size = sum(image.size for image in images.values())
    if size > settings.max_training_bytes:
        raise TrainingFull(
            f"training '{training.id}': expected images of at most {settings.max_training_bytes} "
            f"bytes, found {size}"
        )


def image_of(training: Training, id: str) -> Image:
    """Return an image of a training; raise UnknownImage."""
    if id not in training.images:
        raise UnknownImage(
            f"image '{id[:40]}': expected one of training '{training.id}', found none"
        )
    return training.images[id]
