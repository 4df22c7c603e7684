"""The values of a measurement over rounds: their median and quartiles."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """One value for each round, in the order of the rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile; the value itself if there is only one round."""
        if len(self.rounds) < 2:
            return self.rounds[0], self.rounds[0]
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return low, high

    def over(self, base: "Spread") -> "Spread":
        """Return the ratio to another measurement, round by round: what slowed both cancels out."""
        return Spread(
            tuple(mine / theirs for mine, theirs in zip(self.rounds, base.rounds, strict=True))
        )

    def text(self, digits: int = 2, scale: float = 1.0) -> str:
        """Format as "1.02 (0.99 to 1.04)", the median with its quartiles, times `scale`.

        One round has no quartiles, and a dash stands for rounds without a value.
        """
        if any(map(math.isnan, self.rounds)):
            return "–"
        low, high = self.quartiles
        middle = f"{self.median * scale:.{digits}f}"
        if len(self.rounds) == 1:
            return middle
        return f"{middle} ({low * scale:.{digits}f} to {high * scale:.{digits}f})"

    def to_json(self) -> dict[str, Any]:
        """Return median, quartiles and all rounds; null for NaN, which JSON does not have."""
        rounds = [_or_none(value) for value in self.rounds]
        if None in rounds:
            return {"median": None, "quartiles": None, "rounds": rounds}
        return {"median": self.median, "quartiles": list(self.quartiles), "rounds": rounds}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed.

    This is the nearest-rank method; NaN where there are no values.
    """
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
