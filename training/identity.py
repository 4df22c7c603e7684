"""What decides the result of a training: two of equal identity end alike on one machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import Examples, TaskData

from .methods import find
from .recipe import Recipe

Scalar = str | int | float | bool | None
SAMPLE = 64
"""Images of each part that are looked at."""


def identity(backbone: Backbone, data: TaskData, recipe: Recipe) -> dict[str, Scalar]:
    """Recipe, data and backbone, by names for people."""
    # how the values came about does not change what they give
    chosen = recipe.model_copy(update={"search": None}).hyperparameters(find(recipe.method).uses)
    facts = {
        "backbone": backbone.name,
        "fingerprint": backbone.fingerprint,
        "dtype": str(backbone.dtype),
    }
    return {**chosen, "data": data.summary, "images and labels": digest(data), **facts}


def difference(expected: Mapping[str, Scalar], found: Mapping[str, Scalar]) -> str | None:
    """The first name under which the two differ, if they do."""
    return next(
        (name for name in [*expected, *found] if expected.get(name) != found.get(name)), None
    )


def digest(data: TaskData) -> str:
    """sha256 over all labels, and the pixels of up to SAMPLE images of each part, spread over it."""
    hashed = hashlib.sha256(repr(data.labels).encode())
    for part in (data.train, data.validation, data.test):
        if part is not None:
            _add(part, hashed)
    return hashed.hexdigest()


def _add(part: Examples, hashed: hashlib._Hash) -> None:
    hashed.update(repr(list(part.targets)).encode())
    for index in range(0, len(part), max(1, len(part) // SAMPLE)):
        image = part.image(index)
        hashed.update(repr(image.size).encode() + image.tobytes())
