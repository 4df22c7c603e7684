"""One way to every data set: `load` turns a source, named by text, into images with labels.

A source is the name of a demo set, `digits`, or a folder of class folders (see `folders`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .demo_sets import DEMO_SETS, TEST, TRAIN
from .errors import DataError
from .examples import Examples, TaskData
from .folders import load_folder

DEMO_IMAGES = 1000
"""Images of a demo set in each of its two parts."""

DIGITS_TRAIN = 1000
DIGITS_SIZE = 64
"""The 8 x 8 digits are enlarged to this side, so that people can see them too."""


def load(source: str | Path, *, seed: int = 0, holdout: float = 0.2) -> TaskData:
    """Load the data set that `source` names.

    Names come first: a folder called `digits` is reached as `./digits`.

    Args:
        seed: draws the held-out part of a folder that has none; named sets have a fixed one.
        holdout: share of each class to hold out, likewise.

    Raises:
        DataError: there is no such source, or it holds fewer than two classes with two images.
    """
    if source in NAMED:
        return NAMED[str(source)]()
    if not Path(source).is_dir():
        raise DataError(f"data: expected a folder or one of {', '.join(NAMED)}, found {str(source)!r}")
    return load_folder(Path(source), seed=seed, holdout=holdout)


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
    return TaskData(train, test, labels, f"scikit-learn handwritten digits, {_sizes(train, test)}")


def _enlarged(digit: np.ndarray) -> Image.Image:
    """From (8, 8) with values 0 to 16 to an RGB image."""
    grey = Image.fromarray((digit * 255 / 16).round().astype(np.uint8))
    return grey.resize((DIGITS_SIZE, DIGITS_SIZE), Image.Resampling.BICUBIC).convert("RGB")


def load_demo(name: str) -> TaskData:
    """A procedural demo set: fixed images, drawn anew by each call."""
    demo = DEMO_SETS[name]
    train = Examples(*demo.generate(DEMO_IMAGES, stream=TRAIN))
    test = Examples(*demo.generate(DEMO_IMAGES, stream=TEST))
    return TaskData(train, test, demo.labels, f"demo set {name} ({demo.description}), {_sizes(train, test)}")


def _sizes(train: Examples, test: Examples) -> str:
    return f"{len(train)} training and {len(test)} held-out images"


def _demo_loader(name: str) -> Callable[[], TaskData]:
    return lambda: load_demo(name)


NAMED: dict[str, Callable[[], TaskData]] = {
    "digits": load_digits,
    **{name: _demo_loader(name) for name in DEMO_SETS},
}
"""The sources that are known by name."""
