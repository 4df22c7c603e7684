"""Probabilities from which on each label is given, where an image may have several.

Each maximises the F1 of its label on images that were not learned from (cf. Lipton et al. 2014,
arXiv 1402.1892).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from .temperature import folds

EVEN = 0.5
"""The threshold of a label of which too little is known."""

LEAST_OF_LABEL = 10
"""A label that fewer images have, or lack, keeps EVEN."""


def choose(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return a threshold for each label.

    Args:
        probabilities, truth: (images, labels).
    """
    columns = zip(probabilities.T, truth.T, strict=True)
    return tuple(_of_label(scores, has) for scores, has in columns)


def even(truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return EVEN for each label of truth (images, labels)."""
    return (EVEN,) * truth.shape[1]


def macro_f1(
    probabilities: NDArray[np.float64], truth: NDArray[np.bool_], thresholds: tuple[float, ...]
) -> float:
    """Return the mean F1 of the labels with these thresholds."""
    return _macro_f1(truth, probabilities >= np.asarray(thresholds))


def macro_f1_cross_fitted(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the mean F1 of the labels, each image with thresholds that were chosen without it."""
    given = np.empty_like(truth)
    for rest, rows in folds(len(truth)):
        thresholds = choose(probabilities[rest], truth[rest])
        given[rows] = probabilities[rows] >= np.asarray(thresholds)
    return _macro_f1(truth, given)


def _macro_f1(truth: NDArray[np.bool_], given: NDArray[np.bool_]) -> float:
    return float(f1_score(truth, given, average="macro", zero_division=0))


def _of_label(probabilities: NDArray[np.float64], has: NDArray[np.bool_]) -> float:
    """Return the threshold with the highest F1; of equals the nearest to EVEN.

    Thresholds stand midway between neighbouring probabilities, and the lowest midway to 0.
    """
    positives = int(has.sum())
    if min(positives, len(has) - positives) < LEAST_OF_LABEL:
        return EVEN
    order = np.argsort(-probabilities, kind="stable")
    falling = np.append(probabilities[order], 0.0)
    f1 = 2 * np.cumsum(has[order]) / (np.arange(1, len(has) + 1) + positives)
    f1[falling[:-1] == falling[1:]] = -1  # no threshold separates equals
    middle = (falling[:-1] + falling[1:]) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(f"{middle[best[np.argmin(np.abs(middle[best] - EVEN))]]:.6g}")
