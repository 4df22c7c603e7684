"""Whether probabilities are believable: of all answers given at 0.8, are 80 % right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""As in Guo et al. 2017, whose figures have become the usual ones to compare with."""


@dataclass(frozen=True)
class Bin:
    """The answers with a probability above `low`, up to and including `high`.

    Attributes:
        probability: their mean.
        right: share of them that is right.
    """

    low: float
    high: float
    answers: int
    probability: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, and the bins of equal width that it was computed from.

    Attributes:
        error: mean distance between probability and share of right answers over the bins, each
            weighted by its answers.
        probability: mean over all answers.
        right: share of all answers that is right.
        bins: those with answers.
    """

    error: float
    probability: float
    right: float
    bins: tuple[Bin, ...]


def calibration(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Measure calibration (Naeini et al. 2015, AAAI; Guo et al. 2017, arXiv 1706.04599).

    Args:
        probabilities: (answers,) in [0, 1].
        right: (answers,).
    """
    # Bins are open below and closed above, as in Guo et al.; 0 belongs to the first.
    places = np.clip(np.ceil(probabilities * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for place in np.unique(places):
        inside = places == place
        mean, share = float(probabilities[inside].mean()), float(right[inside].mean())
        bins.append(Bin(place / BINS, (place + 1) / BINS, int(inside.sum()), mean, share))
    error = sum(each.answers * abs(each.probability - each.right) for each in bins) / len(right)
    return Calibration(error, float(probabilities.mean()), float(right.mean()), tuple(bins))
