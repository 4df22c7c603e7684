"""Thresholds of scores: below one, an image is not answered."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SHARE = 0.95
"""Of images like those that a task was learned from, so many are to be answered."""

LEAST_SCORES = 19
"""From fewer scores no threshold keeps SHARE: 1 / (1 - SHARE) - 1."""


def keeping(scores: NDArray[np.float64]) -> float | None:
    """Return the highest threshold that keeps SHARE of images like those with these scores.

    It is one of the scores. A further image whose score was drawn as theirs were is at or above it
    with a probability of at least SHARE, however scores are distributed: of n scores the k-th
    smallest, k = floor((1 - SHARE) (n + 1)), as in split conformal prediction (Vovk et al. 2005;
    Angelopoulos and Bates 2021, arXiv 2107.07511). Of fewer than LEAST_SCORES, k is 0 and there
    is none.

    Args:
        scores: (images,), of images that were not learned from.
    """
    # a little more, since 1 - SHARE is rounded
    place = math.floor((1 - SHARE) * (len(scores) + 1) + 1e-9)
    return float(np.sort(scores)[place - 1]) if place else None
