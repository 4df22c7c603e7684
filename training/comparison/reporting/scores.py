"""Accuracies of methods on tasks over seeds: means, differences between methods, wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from facet_vision.training.comparison.records import Trained

from .intervals import TIE, Interval, of_mean, of_means


@dataclass(frozen=True)
class Score:
    """A method's mean accuracy over tasks.

    Attributes:
        mean: of the tasks' means over seeds.
        spread: sample standard deviation over the seeds of their means over tasks; None for a single one.
        interval: of the mean for these tasks, over other trainings on them.
        lacking: tasks without a training; what is left is not comparable.
    """

    mean: float
    spread: float | None
    interval: Interval | None
    lacking: int


@dataclass(frozen=True)
class Difference:
    """By how much one method's accuracy is above another's, paired: the same task and seed.

    Attributes:
        mean: of the tasks' means over seeds.
        here: interval for these tasks, over other trainings on them.
        elsewhere: interval for tasks like these, of which these are a sample.
        won, lost: tasks with a mean above or below zero.
        surely_won, surely_lost: likewise with the interval over seeds.
        tasks, pairs: with a pair; such pairs.
    """

    mean: float
    here: Interval | None
    elsewhere: Interval | None
    won: int
    lost: int
    surely_won: int
    surely_lost: int
    tasks: int
    pairs: int

    @property
    def sign(self) -> int:
        """1 or -1 where the difference is decided; for these tasks, or over them where each has one pair only."""
        interval = self.here or self.elsewhere
        return interval.sign if interval else 0


class Scores:
    """Accuracies by method, task and seed."""

    def __init__(self, cells: Iterable[Trained]) -> None:
        self._found: dict[tuple[str, str], dict[int, float]] = {}
        for cell in cells:
            self._found.setdefault((cell.method, cell.task), {})[cell.seed] = cell.accuracy

    def by_seed(self, method: str, task: str) -> dict[int, float]:
        return self._found.get((method, task), {})

    def score(self, method: str, tasks: Sequence[str]) -> Score | None:
        """Over those of the tasks that the method has; None where that is none."""
        found = [seeds for task in tasks if (seeds := self.by_seed(method, task))]
        if not found:
            return None
        means = _means_by_seed(found)
        return Score(
            mean=fmean(fmean(seeds.values()) for seeds in found),
            spread=stdev(means) if len(means) > 1 else None,
            interval=of_means([list(seeds.values()) for seeds in found]),
            lacking=len(tasks) - len(found),
        )

    def difference(self, first: str, second: str, tasks: Sequence[str]) -> Difference | None:
        """Of the first method to the second; None where no task and seed has both."""
        strata = [pairs for task in tasks if (pairs := self._pairs(first, second, task))]
        if not strata:
            return None
        means = [fmean(pairs) for pairs in strata]
        sure = [interval.sign for pairs in strata if (interval := of_mean(pairs))]
        return Difference(
            mean=fmean(means),
            here=of_means(strata),
            elsewhere=of_mean(means),
            won=sum(mean > TIE for mean in means),
            lost=sum(mean < -TIE for mean in means),
            surely_won=sure.count(1),
            surely_lost=sure.count(-1),
            tasks=len(strata),
            pairs=sum(map(len, strata)),
        )

    def _pairs(self, first: str, second: str, task: str) -> list[float]:
        minuend, subtrahend = self.by_seed(first, task), self.by_seed(second, task)
        return [
            accuracy - subtrahend[seed] for seed, accuracy in minuend.items() if seed in subtrahend
        ]


def _means_by_seed(found: Sequence[dict[int, float]]) -> list[float]:
    """Over tasks, for each seed that has them all."""
    common = set.intersection(*(set(seeds) for seeds in found))
    return [fmean(seeds[seed] for seeds in found) for seed in sorted(common)]
