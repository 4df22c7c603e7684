"""The data sets that come with the package, by name: handwritten digits and the procedural demo sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from .demo_sets import DEMO_SETS, TEST, TRAIN
from .examples import Examples, TaskData

DEMO_IMAGES = 1000
"""Images of a demo set in each of its two parts."""

DIGITS_TRAIN = 1000
DIGITS_SIZE = 64
"""The 8 x 8 digits are enlarged to this side, so that people can see them too."""


def load_digits() -> TaskData:
    """Handwritten digits (scikit-learn's copy of the UCI set): 1,000 to learn from, 797 held out.

    The split is the permutation that `numpy.random.default_rng(0)` draws, whatever the training seed.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target)).tolist()
    images = [_enlarged(bunch.images[index]) for index in order]
    examples = Examples(images, bunch.target[order].tolist())
    train = examples.take(range(DIGITS_TRAIN))
    test = examples.take(range(DIGITS_TRAIN, len(examples)))
    labels = tuple(str(digit) for digit in range(10))
    return TaskData(train, test, labels, "scikit-learn handwritten digits")


def _enlarged(digit: np.ndarray) -> Image.Image:
    """From (8, 8) with values 0 to 16 to an RGB image."""
    grey = Image.fromarray((digit * 255 / 16).round().astype(np.uint8))
    return grey.resize((DIGITS_SIZE, DIGITS_SIZE), Image.Resampling.BICUBIC).convert("RGB")


def load_demo(name: str) -> TaskData:
    """A procedural demo set: fixed images, drawn anew by each call."""
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
"""The sources that are known by name."""
