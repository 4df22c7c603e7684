"""Findings of a comparison as sentences, computed from its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facet_vision.training.comparison.records import Comparison

from . import texts
from .paper import DEEP
from .scores import Scores
from .totals import FULL, served, size
from .verdicts import check


def findings(comparison: Comparison) -> list[str]:
    """Return the sentences, the most important ones first."""
    return [
        *_completeness(comparison),
        *_leaders(comparison),
        *_against(comparison, "linear"),
        *_against(comparison, FULL),
        *_order(comparison),
    ]


def _completeness(comparison: Comparison) -> Iterator[str]:
    methods, seeds = comparison.methods, comparison.seeds
    per_method = len(comparison.tasks) * len(seeds)
    done = Counter(cell.method for cell in comparison.cells)
    missing = {method: per_method - done[method] for method in methods}
    lacking = texts.listing(f"{method} {count}" for method, count in missing.items() if count)
    if lacking:
        there = f"{len(comparison.cells)} of {len(methods) * per_method} trainings are there"
        yield f"Incomplete: {there} (lacking: {lacking})."
    if len(seeds) == 1:
        yield "With one seed nothing is known of how results spread over trainings."


def _leaders(comparison: Comparison) -> Iterator[str]:
    means = leaderboard(comparison)
    if not means:
        yield "No method has all tasks, so none leads."
        return
    first, *others = (f"{method} ({texts.percent(mean)} %)" for method, mean in means.items())
    best = f"Best on the mean of {texts.count(len(comparison.tasks), 'task')} is {first}"
    if others:
        best += f", then {others[0]}{_apart(comparison, *list(means)[:2])}"
    yield f"{best}."
    shared = [method for method in means if served(comparison, method)]
    if shared and shared[0] != next(iter(means)):
        mean = texts.percent(means[shared[0]])
        yield f"Best of those that are served from the shared backbone is {shared[0]} ({mean} %)."


def leaderboard(comparison: Comparison) -> dict[str, float]:
    """Return mean accuracies of the methods that have all tasks, best first."""
    scores = Scores(comparison.cells)
    found = {method: scores.score(method, comparison.tasks) for method in comparison.methods}
    means = {method: score.mean for method, score in found.items() if score and not score.lacking}
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _apart(comparison: Comparison, first: str, second: str) -> str:
    if DEEP in (first, second) and {"linear", FULL} & {first, second}:
        return ""  # this pair has a sentence of its own
    difference = Scores(comparison.cells).difference(first, second, comparison.tasks)
    if difference is None:
        return ""
    return f" with a paired difference of {texts.difference(difference)}"


def _against(comparison: Comparison, other: str) -> Iterator[str]:
    difference = Scores(comparison.cells).difference(DEEP, other, comparison.tasks)
    if difference is None:
        return
    won = f"{difference.won} of {texts.count(difference.tasks, 'task')}"
    mean = f"the mean difference is {texts.difference(difference)}"
    share = _share(comparison) if other == FULL else ""
    yield f"{DEEP} is above {other} on {won}; {mean}{share}."


def _share(comparison: Comparison) -> str:
    tuned, full = size(comparison, DEEP), size(comparison, FULL)
    if not tuned or not full:
        return ""
    return f"; it trains {100 * tuned.tuned / full.tuned:.3g} % of its numbers"


def _order(comparison: Comparison) -> Iterator[str]:
    checked = check(comparison)
    if not checked:
        return
    signs = Counter(statement.sign for statement in checked)
    general = Counter(statement.sign for statement in checked if statement.general)
    number = texts.count(len(checked), "statement")
    yield (
        f"Of {number} of the paper on the order of these methods, "
        f"holding here: {signs[1]} (for tasks like these too: {general[1]}); "
        f"not holding: {signs[-1]} ({general[-1]}); undecided: {signs[0]}."
    )
