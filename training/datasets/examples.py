"""What every data set becomes: labelled images in a part to learn from and a part held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import backbone


@dataclass(frozen=True)
class Examples:
    """Labelled images; each is in memory or a file that is decoded when asked for.

    Attributes:
        images: RGB images, or paths of encoded ones.
        targets: for each image the index of its label.
    """

    images: Sequence[Image.Image | Path]
    targets: Sequence[int]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> Image.Image:
        """The RGB image, decoded exactly as the server decodes an upload."""
        image = self.images[index]
        return image if isinstance(image, Image.Image) else backbone.decode_image(image.read_bytes())

    def take(self, indices: Sequence[int]) -> Examples:
        return Examples([self.images[i] for i in indices], [self.targets[i] for i in indices])


@dataclass(frozen=True)
class TaskData:
    """A problem to learn: two disjoint sets of examples with the same labels.

    Attributes:
        train, test: to learn from, and held out to measure on.
        labels: names of the classes; targets index them.
        description: one sentence for the task file's manifest.
        skipped: one sentence for each file that could not be used.
    """

    train: Examples
    test: Examples
    labels: tuple[str, ...]
    description: str
    skipped: tuple[str, ...] = ()
