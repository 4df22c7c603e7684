"""Accuracies of methods: means, paired differences, wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from facet_vision.training.comparison.records import TrainingResult

from .intervals import TIE, Interval, of_mean, of_means


@dataclass(frozen=True)
class Score:
    """A method's mean accuracy over tasks.

    Attributes:
        mean: of the tasks' means over seeds.
        spread: sample standard deviation over the seeds of their means over tasks; None for a
            single one.
        interval: of the mean for these tasks, over other trainings on them.
        lacking: tasks without a training; the mean of the remaining ones is not comparable.
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
        tasks: number of tasks with a pair.
        pairs: number of such pairs.
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
        """1 or -1 where the difference is decided.

        Decided for these tasks, or over them where each has one pair only.
        """
        interval = self.here or self.elsewhere
        return interval.sign if interval else 0


class Scores:
    """Accuracies by method, task and seed."""

    def __init__(self, cells: Iterable[TrainingResult]) -> None:
        self._found: dict[tuple[str, str], dict[int, float]] = {}
        for cell in cells:
            self._found.setdefault((cell.method, cell.task), {})[cell.seed] = cell.accuracy

    def by_seed(self, method: str, task: str) -> dict[int, float]:
        return self._found.get((method, task), {})

    def score(self, method: str, tasks: Sequence[str]) -> Score | None:
        """Return the score over those of the tasks that the method has; None without any."""
        by_task = [self.by_seed(method, task) for task in tasks]
        found = [seeds for seeds in by_task if seeds]
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
        """Return the difference of the first to the second; None where no task and seed has both.

        Every task has the same weight, whatever its number of pairs.
        """
        by_task = [self.pairs(first, second, task) for task in tasks]
        strata = [pairs for pairs in by_task if pairs]
        if not strata:
            return None
        means = [fmean(pairs) for pairs in strata]
        intervals = [of_mean(pairs) for pairs in strata]
        signs = [interval.sign for interval in intervals if interval]
        return Difference(
            mean=fmean(means),
            here=of_means(strata),
            elsewhere=of_mean(means),
            won=sum(mean > TIE for mean in means),
            lost=sum(mean < -TIE for mean in means),
            surely_won=signs.count(1),
            surely_lost=signs.count(-1),
            tasks=len(strata),
            pairs=sum(map(len, strata)),
        )

    def pairs(self, first: str, second: str, task: str) -> list[float]:
        """Return the differences on a task, one for each seed that both methods have."""
        minuend, subtrahend = self.by_seed(first, task), self.by_seed(second, task)
        return [
            accuracy - subtrahend[seed] for seed, accuracy in minuend.items() if seed in subtrahend
        ]


def _means_by_seed(found: Sequence[dict[int, float]]) -> list[float]:
    """Return the means over tasks, for each seed that has them all."""
    common = set.intersection(*(set(seeds) for seeds in found))
    return [fmean(seeds[seed] for seeds in found) for seed in sorted(common)]
