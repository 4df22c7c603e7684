"""Labelled images to ask a task about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from facet_vision.prompts_store import Manifest
from facet_vision.training.data.as_trained import read_as_trained
from facet_vision.training.data.datasets import Examples, TaskData, indices
from facet_vision.training.data.datasets.assemble import normal
from facet_vision.training.errors import DataError

SHOWN_LABELS = 5


@dataclass(frozen=True)
class Questions:
    """Images with their labels among those of a task.

    Attributes:
        examples: the images.
        targets: (images,) indices of the task's labels, or (images, labels) zeros and ones.
        others: images that are of none of the task's labels.
        data: all that was read.
    """

    examples: Examples
    targets: Tensor
    others: Examples
    data: TaskData

    @property
    def everything(self) -> Examples:
        """The images of the task's labels, then those of none of them."""
        return self.examples.joined(self.others) if len(self.others) else self.examples


def questions(
    source: str,
    manifest: Manifest,
    *,
    everything: bool,
    given: Mapping[str, Any],
    none: str | None = None,
) -> Questions:
    """Read the images of a source that are held out from the task's training, or all of them.

    Args:
        source: as for `facet train`.
        manifest: of the task.
        everything: also the images that the source does not hold out.
        given: as for `read_as_trained`.
        none: label of the images in the source that are of none of the task's labels.

    Raises:
        DataError: the source cannot be read, its labels are not those of the task, or `none` is
            not among them.
    """
    data = read_as_trained(source, manifest.recipe, given)
    if data.multi_label and manifest.activation == "softmax":
        raise DataError(
            f"data: expected one label for each image, as task '{manifest.task}' gives, "
            f"found several in {source}"
        )
    examples, others = _divided(data, _all(data) if everything else data.test, none)
    places = _places(data, manifest, none)
    # Each image's label or labels, by their places in the task.
    several = data.multi_label or manifest.activation == "sigmoid"
    found = [tuple(places[index] for index in indices(target)) for target in examples.targets]
    if not several:
        return Questions(examples, torch.tensor([index for (index,) in found]), others, data)
    rows = torch.zeros(len(found), len(manifest.labels))
    for row, labels in zip(rows, found, strict=True):
        row[list(labels)] = 1
    return Questions(examples, rows, others, data)


def _all(data: TaskData) -> Examples:
    return reduce(Examples.joined, data.parts.values())


def _divided(data: TaskData, examples: Examples, none: str | None) -> tuple[Examples, Examples]:
    """Return the images of the task's labels, and those under the label `none`."""
    if none is None:
        return examples, examples.take([])
    if data.multi_label or normal(none) not in data.labels:
        found = "several on an image" if data.multi_label else f"none called {none!r}"
        raise DataError(f"none: expected a label of the data, one for each image, found {found}")
    index = data.labels.index(normal(none))
    other = [row for row, target in enumerate(examples.targets) if target == index]
    own = [row for row, target in enumerate(examples.targets) if target != index]
    return examples.take(own), examples.take(other)


def _places(data: TaskData, manifest: Manifest, none: str | None) -> list[int]:
    """Return where each label of the data is among those of the task; -1 of the label `none`."""
    place = {normal(label): index for index, label in enumerate(manifest.labels)}
    if none is not None and place.setdefault(normal(none), -1) != -1:
        raise DataError(f"none: expected a label that the task does not have, found {none!r}")
    for label in data.labels:
        if label not in place:
            more = ", …" if len(place) > SHOWN_LABELS else ""
            known = ", ".join(manifest.labels[:SHOWN_LABELS]) + more
            raise DataError(
                f"data: expected the labels of task '{manifest.task}' ({known}), found {label!r}"
            )
    return [place[label] for label in data.labels]
