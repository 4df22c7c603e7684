"""Interval of a share that was counted."""

from __future__ import annotations

import math

QUANTILE = 1.959964
"""Of the normal distribution, for an interval of 95 %."""


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, of which `hits` of `trials` were counted.

    Unlike the usual one it stays within 0 and 1, and is no point where all trials are hits.
    """
    share, square = hits / trials, QUANTILE**2
    middle = share + square / (2 * trials)
    half = QUANTILE * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    low, high = ((middle + sign * half) / (1 + square / trials) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)
