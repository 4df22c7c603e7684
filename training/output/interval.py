"""Interval of a share that was counted."""

from __future__ import annotations

from scipy import stats


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, of which `hits` of `trials` were counted.

    Unlike the usual one it stays within 0 and 1, and is no point where all trials are hits.
    """
    interval = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
