"""Answers to the questions that a comparison is made for, computed from its numbers.

Is the best served method as good as full fine-tuning, is VPT-Deep, and is VPT-Deep better than a
linear probe on every task?

A difference is paired (same task, same seed). Trainings on one task are not independent: they share
its images, its difficulty and the choice of hyperparameters. So its cells are a cluster, the
difference is the mean of the tasks' means, and its interval is Student's t over these means with
one degree of freedom less than there are tasks. With as many seeds on every task that is the
cluster-robust interval of the mean over all cells, with the quantile that Cameron and Miller 2015
("A Practitioner's Guide to Cluster-Robust Inference", Journal of Human Resources 50(2)) advise for
few clusters. A bootstrap over so few tasks would be too narrow.

"On every task" holds where each task's own interval over seeds is above zero: for an intersection
of hypotheses no correction is needed (Berger 1982, Technometrics 24(4)). It does not hold where a
task's interval is below zero; as any of them would do, their level is corrected (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from facet_vision.training.comparison.records import Comparison

from .intervals import LEVEL, Interval, of_mean
from .paper import DEEP
from .scores import Difference, Scores
from .totals import FULL, served

LINEAR = "linear"

WORDS = {1: "above", -1: "below", 0: "undecided"}


@dataclass(frozen=True)
class Answer:
    """One method against another over a group of tasks, or over all.

    Attributes:
        question: in words, with the methods' names.
        interval: of the mean difference, clustered by task; None for a single task.
    """

    question: str
    first: str
    second: str
    scope: str
    difference: Difference

    @property
    def interval(self) -> Interval | None:
        return self.difference.elsewhere

    @property
    def verdict(self) -> str:
        """Above, below, or undecided where the interval includes zero or there is none."""
        return WORDS[self.interval.sign if self.interval else 0]


@dataclass(frozen=True)
class OnEveryTask:
    """Whether one method is above another on every task.

    Attributes:
        tasks: number of tasks that have both.
        above: those with a mean difference above zero; surely: with an interval above zero.
        surely_below: those with an interval below zero, at a level corrected for their number.
    """

    first: str
    second: str
    tasks: int
    above: int
    surely_above: int
    surely_below: int

    @property
    def verdict(self) -> str:
        if self.surely_above == self.tasks:
            return "holds"
        return "does not hold" if self.surely_below else "undecided"


def answers(comparison: Comparison) -> list[Answer]:
    """Return the answers that the finished trainings allow, over all tasks and over each group."""
    return [
        Answer(question, first, second, scope, difference)
        for question, first, second in _questions(comparison)
        for scope, tasks in reversed(comparison.scopes.items())
        if (difference := Scores(comparison.cells).difference(first, second, tasks))
    ]


def on_every_task(comparison: Comparison) -> OnEveryTask | None:
    """Return whether VPT-Deep is above linear on every task; None where no task has both."""
    scores = Scores(comparison.cells)
    difference = scores.difference(DEEP, LINEAR, comparison.tasks)
    if difference is None:
        return None
    level = 1 - (1 - LEVEL) / difference.tasks
    own = [of_mean(scores.pairs(DEEP, LINEAR, task), level) for task in comparison.tasks]
    below = sum(interval.sign < 0 for interval in own if interval)
    return OnEveryTask(DEEP, LINEAR, difference.tasks, difference.won, difference.surely_won, below)


def best_served(comparison: Comparison) -> str | None:
    """Return the served method with the best mean accuracy on the validation parts.

    Chosen by held-out accuracies, it would seem better than it is. Of equals it is the first; None
    where no served method has a validation accuracy on every task.
    """
    means = {}
    for method in comparison.methods:
        found = _validation(comparison, method) if served(comparison, method) else {}
        if found.keys() == set(comparison.tasks):
            means[method] = fmean(found.values())
    return max(means, key=means.__getitem__, default=None)


def _questions(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    best = best_served(comparison)
    if best is not None:
        yield f"best served ({best}) and {FULL}", best, FULL
    yield f"{DEEP} and {FULL}", DEEP, FULL
    yield f"{DEEP} and {LINEAR}", DEEP, LINEAR


def _validation(comparison: Comparison, method: str) -> dict[str, float]:
    return {
        cell.task: cell.validation
        for cell in comparison.cells
        if cell.method == method and cell.validation is not None
    }
