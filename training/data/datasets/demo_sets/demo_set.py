"""Procedural demo set: labels and a function that draws their examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from PIL import Image

TRAIN, TEST = 0, 1
"""Streams of random numbers; no example of one occurs in another."""


@dataclass(frozen=True)
class DemoSet:
    """A classification problem whose images are drawn on demand.

    Attributes:
        draw: given a random generator and a label's index, returns an RGB image of 64 x 64 pixels.
    """

    name: str
    labels: tuple[str, ...]
    description: str
    draw: Callable[[np.random.Generator, int], Image.Image]

    def generate(self, count: int, *, stream: int) -> tuple[list[Drawing], list[int]]:
        """Return `count` images in random order and the label index of each.

        All labels are equally frequent. The same stream always gives the same images: the set does
        not depend on the training seed.
        """
        balanced = np.arange(count) % len(self.labels)
        targets = self.generator(stream).permutation(balanced).tolist()
        images = [Drawing(self, stream, *each) for each in enumerate(targets)]
        return images, targets

    def generator(self, *stream: int) -> np.random.Generator:
        """Return the random numbers of a stream, or of one of its images."""
        return np.random.default_rng([crc32(self.name.encode()), *stream])


@dataclass(frozen=True)
class Drawing:
    """An image of a set, drawn when it is first looked at; an `examples.Stored`."""

    demo: DemoSet
    stream: int
    index: int
    target: int

    @cached_property
    def _drawn(self) -> Image.Image:
        return self.demo.draw(self.demo.generator(self.stream, self.index), self.target)

    def decode(self, enough: int | None = None) -> Image.Image:  # noqa: ARG002
        return self._drawn

    def encoded(self) -> None:
        """Return None, since there is no file."""
