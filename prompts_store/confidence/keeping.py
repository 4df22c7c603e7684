"""The largest distance from its classes at which a task still answers."""

import math
from collections.abc import Iterable

SHARE = 0.95
"""Of images like those that a task was learned from, so many are to be answered."""

LEAST_SCORES = 19
"""Fewer distances say nothing about a share of SHARE: 1 / (1 - SHARE) - 1."""


def keeping(distances: Iterable[float]) -> float | None:
    """Return the smallest threshold that keeps SHARE of images like those at these distances.

    It is one of the distances. A further image whose distance is drawn as theirs were is at most as
    far with a probability of at least SHARE, however distances are distributed: of n distances it
    is the k-th largest, k = floor((1 - SHARE) (n + 1)), as in split conformal prediction (Vovk et
    al. 2005; Angelopoulos and Bates 2021, arXiv 2107.07511). Of fewer than LEAST_SCORES there is no
    such place.

    Args:
        distances: of images that were not learned from.
    """
    ordered = sorted(distances)
    # a little more, since 1 - SHARE is rounded
    place = math.floor((1 - SHARE) * (len(ordered) + 1) + 1e-9)
    return float(ordered[-place]) if place else None
