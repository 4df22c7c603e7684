"""Confidence intervals of means by Student's t, and their sign."""

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
    """Bounds of a mean, with a confidence of LEVEL unless another is given."""

    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where all of the interval is on that side of zero, else 0."""
        return (self.low > TIE) - (self.high < -TIE)


def of_mean(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Return the interval of the mean of independent values; None for fewer than two."""
    return of_means([values], level)


def of_means(strata: Sequence[Sequence[float]], level: float = LEVEL) -> Interval | None:
    """Return the interval of the mean of the strata's means.

    The strata are fixed; only the values within them are left to chance. Degrees of freedom by
    Welch and Satterthwaite, so strata may spread differently.

    Returns:
        None where a stratum has fewer than two values, or there is none.
    """
    if not strata or min(map(len, strata)) < 2:
        return None
    centre = fmean(fmean(values) for values in strata)
    shares = [variance(values) / len(values) / len(strata) ** 2 for values in strata]
    half = _half_width(shares, [len(values) - 1 for values in strata], level)
    return Interval(centre - half, centre + half)


def _half_width(shares: Sequence[float], freedoms: Sequence[int], level: float) -> float:
    """Return half of the width of a sum's interval, from the variances of its terms."""
    total = sum(shares)
    # Scaled by the largest, because squares of tiny variances would underflow.
    largest = max(shares)
    if not largest:
        return 0.0
    scaled = [share / largest for share in shares]
    weights = [share**2 / df for share, df in zip(scaled, freedoms, strict=True)]
    freedom = sum(scaled) ** 2 / sum(weights)
    return float(stats.t.ppf((1 + level) / 2, freedom)) * total**0.5
