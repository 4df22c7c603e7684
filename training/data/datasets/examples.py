"""What every data set becomes: labelled images in a part to learn from and a part held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from facet_vision import backbone

Target = int | tuple[int, ...]
"""The index of an image's label, or the indices of all its labels where it may have any number of them."""


class Stored(Protocol):
    """An image that lies somewhere and is decoded when asked for; a path is the simplest."""

    def decode(self, enough: int | None = None) -> Image.Image:
        """The RGB image; raises backbone.ImageError or OSError.

        Args:
            enough: as for backbone.decode_image.
        """
        ...


@dataclass(frozen=True)
class Encoded:
    """The bytes of an image file."""

    data: bytes

    def decode(self, enough: int | None = None) -> Image.Image:
        return backbone.decode_image(self.data, enough=enough)


@dataclass(frozen=True)
class Examples:
    """Labelled images; each is in memory or is decoded when asked for.

    Attributes:
        images: RGB images, or where encoded ones lie.
        targets: for each image the index of its label, or a tuple of indices in a multi-label set.
    """

    images: Sequence[Image.Image | Path | Stored]
    targets: Sequence[Target]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int, enough: int | None = None) -> Image.Image:
        """The RGB image, decoded exactly as the server decodes an upload if `enough` is what its preprocessing says."""
        match self.images[index]:
            case Image.Image() as image:
                return image
            case Path() as path:
                return backbone.decode_image(path.read_bytes(), enough=enough)
            case stored:
                return stored.decode(enough)

    def take(self, indices: Sequence[int]) -> Examples:
        return Examples([self.images[i] for i in indices], [self.targets[i] for i in indices])

    def joined(self, other: Examples) -> Examples:
        """These, then the others."""
        return Examples([*self.images, *other.images], [*self.targets, *other.targets])


@dataclass(frozen=True)
class TaskData:
    """A problem to learn: disjoint sets of examples with the same labels.

    Attributes:
        train, test: to learn from, and held out to measure on.
        labels: names of the classes; targets index them.
        description: where it comes from, for the task file's manifest.
        skipped: one sentence for each image that could not be used.
        validation: what the source itself set aside to choose hyperparameters on.
        multi_label: an image has any number of labels, none included; targets are tuples.
    """

    train: Examples
    test: Examples
    labels: tuple[str, ...]
    description: str
    skipped: tuple[str, ...] = ()
    validation: Examples | None = None
    multi_label: bool = False

    @property
    def summary(self) -> str:
        """Where it comes from and how much is used of it."""
        validation = "" if self.validation is None else f", {len(self.validation)} validation"
        return f"{self.description}, {len(self.train)} training{validation} and {len(self.test)} held-out images"

    def targets(self, examples: Examples) -> Tensor:
        """Indices (images,) int64, or ones and zeros (images, labels) float32 in a multi-label set."""
        if not self.multi_label:
            return torch.tensor(examples.targets)
        rows = torch.zeros(len(examples), len(self.labels))
        for row, target in zip(rows, examples.targets, strict=True):
            row[list(indices(target))] = 1
        return rows

    def names(self, target: Target) -> str:
        """The label or labels of an image, for people."""
        return "+".join(self.labels[index] for index in indices(target))


def indices(target: Target) -> tuple[int, ...]:
    """A target as indices, however many."""
    return (target,) if isinstance(target, int) else target
