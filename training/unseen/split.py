"""Classes that a training never sees, drawn by its seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facet_vision.training.data.datasets import Examples, TaskData, indices
from facet_vision.training.errors import DataError

SHARE = 0.25
"""Of the classes; at least one, and at least two are left to be known."""


@dataclass(frozen=True)
class Split:
    """A problem without some of its classes, and the held-out images of these.

    Attributes:
        known: the problem of the other classes.
        unseen: images of classes that it does not have.
    """

    known: TaskData
    unseen: Examples


def split(data: TaskData, seed: int) -> Split:
    """Keep SHARE of the classes out, drawn by the seed.

    Raises:
        DataError: there are fewer than three classes, or images with several labels.
    """
    classes = len(data.labels)
    if data.multi_label or classes < 3:
        found = "a multi-label set" if data.multi_label else f"{classes}"
        raise DataError(f"data: expected three classes or more to keep some out, found {found}")
    count = min(max(1, round(SHARE * classes)), classes - 2)
    out = set(np.random.default_rng(seed).permutation(classes)[:count].tolist())
    kept = [index for index in range(classes) if index not in out]
    known = TaskData(
        _of(data.train, kept),
        _of(data.test, kept),
        tuple(data.labels[index] for index in kept),
        data.description,
    )
    rows = [row for row, target in enumerate(data.test.targets) if set(indices(target)) & out]
    return Split(known, data.test.take(rows))


def _of(examples: Examples, kept: list[int]) -> Examples:
    """Return the images of the kept classes; their targets are places among these."""
    place = {index: new for new, index in enumerate(kept)}
    labels = [index for target in examples.targets for index in indices(target)]
    rows = [row for row, index in enumerate(labels) if index in place]
    taken = examples.take(rows)
    return Examples(taken.images, [place[labels[row]] for row in rows], taken.origins)
