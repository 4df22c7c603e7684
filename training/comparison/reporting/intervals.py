"""Confidence intervals of means, by Student's t, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from scipy import stats

LEVEL = 0.95

TIE = 1e-9
"""Accuracies that differ by less are equal: the rest is rounding."""


@dataclass(frozen=True)
class Interval:
    """Where a mean lies with a confidence of LEVEL."""

    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where all of the interval is on that side of zero, else 0."""
        return (self.low > TIE) - (self.high < -TIE)


def of_mean(values: Sequence[float]) -> Interval | None:
    """Of the mean of values that were drawn independently; None for fewer than two."""
    return of_means([values])


def of_means(strata: Sequence[Sequence[float]]) -> Interval | None:
    """Of the mean of the strata's means, the strata given: only the values within them are left to chance.

    Degrees of freedom by Welch and Satterthwaite, so strata may spread differently.

    Returns:
        None where a stratum has fewer than two values, or there is none.
    """
    if not strata or min(map(len, strata)) < 2:
        return None
    centre = fmean(fmean(values) for values in strata)
    shares = [variance(values) / len(values) / len(strata) ** 2 for values in strata]
    half = _half_width(shares, [len(values) - 1 for values in strata])
    return Interval(centre - half, centre + half)


def _half_width(shares: Sequence[float], freedoms: Sequence[int]) -> float:
    """Of the interval of a sum, whose terms have these variances."""
    total = sum(shares)
    # the largest is taken out, lest squares of tiny variances vanish
    largest = max(shares)
    if not largest:
        return 0.0
    scaled = [share / largest for share in shares]
    freedom = sum(scaled) ** 2 / sum(
        share**2 / df for share, df in zip(scaled, freedoms, strict=True)
    )
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * total**0.5
