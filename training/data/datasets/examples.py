"""Labelled images, and a problem with a training and a held-out part."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch
from PIL import Image
from torch import Tensor

from facet_vision import backbone

Target = int | tuple[int, ...]
"""Index of an image's label, or the indices of all its labels in a multi-label set."""


class Stored(Protocol):
    """A stored image that is decoded on demand."""

    def decode(self, enough: int | None = None) -> Image.Image:
        """Decode the RGB image.

        Args:
            enough: as for backbone.decode_image.

        Raises:
            backbone.ImageError: it is damaged.
            OSError: it cannot be read.
        """
        ...

    def encoded(self) -> bytes | None:
        """Return the bytes of the image's file, None where the source keeps none."""
        ...


@dataclass(frozen=True)
class Encoded:
    """The bytes of an image file."""

    data: bytes

    def decode(self, enough: int | None = None) -> Image.Image:
        return backbone.decode_image(self.data, enough=enough)

    def encoded(self) -> bytes:
        return self.data


@dataclass(frozen=True)
class Origin:
    """Where an image is from: a readable name, and a digest that images of equal pixels share."""

    name: str
    digest: bytes


@dataclass(frozen=True)
class Examples:
    """Labelled images; each is in memory or is decoded on demand.

    Attributes:
        images: RGB images, or paths or other references to encoded ones.
        targets: for each image the index of its label, or a tuple of indices in a multi-label set.
        origins: of each image; empty for sets of the package, which repeat none.
        kept: what was made of all images, by what made it; None to keep nothing.
        sealed: nothing of it can be used; see `sealed`.
    """

    sealed: ClassVar[bool] = False
    images: Sequence[Image.Image | Path | Stored]
    targets: Sequence[Target]
    origins: Sequence[Origin] = ()
    kept: dict[Any, Any] | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int, enough: int | None = None) -> Image.Image:
        """Return an RGB image.

        It is decoded exactly as the server decodes an upload if `enough` is that of the
        preprocessing.
        """
        match self.images[index]:
            case Image.Image() as image:
                return image
            case Path() as path:
                return backbone.decode_image(path.read_bytes(), enough=enough)
            case stored:
                return stored.decode(enough)

    def encoded(self, index: int) -> bytes:
        """Return an image as a file that a server decodes to the same pixels.

        It is the image's own file where there is one.
        """
        match self.images[index]:
            case Path() as path:
                return path.read_bytes()
            case Image.Image() as image:
                return _png(image)
            case stored:
                data = stored.encoded()
                return _png(stored.decode()) if data is None else data

    def keeping(self) -> Self:
        """Return these examples, of which preprocessed images are kept for the next training."""
        return self if self.sealed else replace(self, kept={})

    def take(self, indices: Sequence[int]) -> Examples:
        """Return these rows, in this order."""
        return Examples(
            [self.images[i] for i in indices],
            [self.targets[i] for i in indices],
            [self.origins[i] for i in indices] if self.origins else (),
        )

    def joined(self, other: Examples) -> Examples:
        """Return these examples followed by `other`."""
        known = self.origins and other.origins
        return Examples(
            [*self.images, *other.images],
            [*self.targets, *other.targets],
            [*self.origins, *other.origins] if known else (),
        )


@dataclass(frozen=True)
class TaskData:
    """A problem to learn: disjoint sets of examples with the same labels.

    Attributes:
        train, test: to learn from, and held out to measure on; the latter is sealed where
            hyperparameters are chosen.
        labels: names of the classes; targets index them.
        description: origin of the data, for the task file's manifest.
        skipped: one sentence for each image that could not be used.
        validation: part on which hyperparameters are chosen, where there is one.
        multi_label: an image has any number of labels, including none; targets are tuples.
    """

    train: Examples
    test: Examples
    labels: tuple[str, ...]
    description: str
    skipped: tuple[str, ...] = ()
    validation: Examples | None = None
    multi_label: bool = False

    @property
    def parts(self) -> dict[str, Examples]:
        """The parts that are there, by what they are for: training, validation, held-out."""
        parts = {"training": self.train}
        if self.validation is not None:
            parts["validation"] = self.validation
        return parts if self.test.sealed else {**parts, "held-out": self.test}

    def keeping(self) -> TaskData:
        """Return this problem with parts of which preprocessed images are kept."""
        validation = None if self.validation is None else self.validation.keeping()
        train, test = self.train.keeping(), self.test.keeping()
        return replace(self, train=train, test=test, validation=validation)

    @property
    def measured(self) -> Examples:
        """The part that metrics are of: the held-out one or, where that is sealed, validation."""
        if self.test.sealed and self.validation is not None:
            return self.validation
        return self.test

    @property
    def summary(self) -> str:
        """Origin of the data and the number of images used."""
        *first, last = (f"{len(part)} {name}" for name, part in self.parts.items())
        return f"{self.description}, {', '.join(first)} and {last} images"

    def targets(self, examples: Examples) -> Tensor:
        """Return the targets as a tensor.

        Returns:
            (images,) int64 indices, or (images, labels) float32 zeros and ones in a multi-label
            set.
        """
        if not self.multi_label:
            return torch.tensor(examples.targets)
        rows = torch.zeros(len(examples), len(self.labels))
        for row, target in zip(rows, examples.targets, strict=True):
            row[list(indices(target))] = 1
        return rows

    def names(self, target: Target) -> str:
        """Return the label or labels of an image as readable text."""
        return "+".join(self.labels[index] for index in indices(target))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def indices(target: Target) -> tuple[int, ...]:
    """Return a target as a tuple of indices."""
    return (target,) if isinstance(target, int) else target
