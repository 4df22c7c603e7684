"""Identity of a training: all facts that decide its result.

Two trainings of equal identity give equal results on the same machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import Examples, TaskData

from .methods import find
from .recipe import Recipe

Scalar = str | int | float | bool | None
SAMPLED_IMAGES = 64
"""Images of each part whose pixels enter the digest."""


def identity(backbone: Backbone, data: TaskData, recipe: Recipe) -> dict[str, Scalar]:
    """Return the facts of recipe, data and backbone under readable names."""
    # how the hyperparameters were found does not change what they give
    reads = find(recipe.method).reads()
    chosen = recipe.model_copy(update={"search": None}).hyperparameters(reads)
    facts = {
        "backbone": backbone.name,
        "fingerprint": backbone.fingerprint,
        "dtype": str(backbone.dtype),
    }
    return {**chosen, "data": data.summary, "images and labels": digest(data), **facts}


def difference(expected: Mapping[str, Scalar], found: Mapping[str, Scalar]) -> str | None:
    """Return the first name under which the two differ, or None."""
    for name in [*expected, *found]:
        if expected.get(name) != found.get(name):
            return name
    return None


def digest(data: TaskData) -> str:
    """Return a sha256 over all labels and, of each part, the pixels of evenly spread images.

    Of a part with many images about SAMPLED_IMAGES are read, else all.
    """
    hashed = hashlib.sha256(repr(data.labels).encode())
    for part in data.parts.values():
        _add(part, hashed)
    return hashed.hexdigest()


def digest_of(part: Examples) -> str:
    """Return a sha256 over a part's labels and the pixels of its images, as in `digest`."""
    hashed = hashlib.sha256()
    _add(part, hashed)
    return hashed.hexdigest()


def _add(part: Examples, hashed: hashlib._Hash) -> None:
    hashed.update(repr(list(part.targets)).encode())
    for index in range(0, len(part), max(1, len(part) // SAMPLED_IMAGES)):
        image = part.image(index)
        hashed.update(repr(image.size).encode() + image.tobytes())
