"""Data sets of the package: handwritten digits and procedural demo sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .demo_sets import DEMO_SETS, TEST, TRAIN
from .examples import Examples, TaskData

DEMO_IMAGES = 1000
"""Images of a demo set in each of its two parts."""

DIGITS_TRAIN_IMAGES = 1000
DIGITS_SIDE_PIXELS = 64
"""The 8 x 8 digits are enlarged to this side, so that they are readable on a screen."""


def load_digits() -> TaskData:
    """Load handwritten digits: 1,000 training and 797 held-out images.

    They are scikit-learn's copy of the UCI set. The split is the permutation that
    `numpy.random.default_rng(0)` draws, whatever the training seed.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target)).tolist()
    images = [_enlarged(bunch.images[index]) for index in order]
    examples = Examples(images, bunch.target[order].tolist())
    train = examples.take(range(DIGITS_TRAIN_IMAGES))
    test = examples.take(range(DIGITS_TRAIN_IMAGES, len(examples)))
    labels = tuple(str(digit) for digit in range(10))
    return TaskData(train, test, labels, "scikit-learn handwritten digits")


def _enlarged(digit: NDArray[np.float64]) -> Image.Image:
    """Convert an (8, 8) array with values from 0 to 16 to an RGB image."""
    grey = Image.fromarray((digit * 255 / 16).round().astype(np.uint8))
    size = (DIGITS_SIDE_PIXELS, DIGITS_SIDE_PIXELS)
    return grey.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def load_demo(name: str) -> TaskData:
    """Draw a procedural demo set; every call draws the same images."""
    demo = DEMO_SETS[name]
    train = Examples(*demo.generate(DEMO_IMAGES, stream=TRAIN))
    test = Examples(*demo.generate(DEMO_IMAGES, stream=TEST))
    return TaskData(train, test, demo.labels, f"demo set {name} ({demo.description})")


def _demo_loader(name: str) -> Callable[[], TaskData]:
    return lambda: load_demo(name)


NAMED: dict[str, Callable[[], TaskData]] = {
    "digits": load_digits,
    **{name: _demo_loader(name) for name in DEMO_SETS},
}
"""Loaders of the data sets that are known by name."""
