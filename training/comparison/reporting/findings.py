"""What the numbers of a comparison say, in sentences that are worked out of them."""

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
    """Sentences, the most important ones first."""
    return [
        *_completeness(comparison),
        *_leaders(comparison),
        *_against(comparison, "linear"),
        *_against(comparison, FULL),
        *_order(comparison),
    ]


def _completeness(comparison: Comparison) -> Iterator[str]:
    methods, tasks, seeds = comparison.methods, comparison.tasks, comparison.seeds
    done = Counter(cell.method for cell in comparison.cells)
    missing = {
        method: count for method in methods if (count := len(tasks) * len(seeds) - done[method])
    }
    if missing:
        lacking = texts.listing(f"{method} {count}" for method, count in missing.items())
        wanted = len(methods) * len(tasks) * len(seeds)
        yield f"Incomplete: {len(comparison.cells)} of {wanted} trainings are there (lacking: {lacking})."
    if len(seeds) == 1:
        yield "With one seed nothing is known of how results spread over trainings."


def _leaders(comparison: Comparison) -> Iterator[str]:
    ranked = ranking(comparison)
    if not ranked:
        yield "No method has all tasks, so none leads."
        return
    first, *others = (f"{method} ({texts.percent(mean)} %)" for method, mean in ranked.items())
    best = f"Best on the mean of {texts.count(len(comparison.tasks), 'task')} is {first}"
    yield (
        f"{best}, then {others[0]}{_apart(comparison, *list(ranked)[:2])}."
        if others
        else f"{best}."
    )
    shared = [method for method in ranked if served(comparison, method)]
    if shared and shared[0] != next(iter(ranked)):
        mean = texts.percent(ranked[shared[0]])
        yield f"Best of those that are served from the shared backbone is {shared[0]} ({mean} %)."


def ranking(comparison: Comparison) -> dict[str, float]:
    """Mean accuracies of the methods that have all tasks, best first."""
    scores = Scores(comparison.cells)
    found = {method: scores.score(method, comparison.tasks) for method in comparison.methods}
    means = {method: score.mean for method, score in found.items() if score and not score.lacking}
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _apart(comparison: Comparison, first: str, second: str) -> str:
    if DEEP in (first, second) and {"linear", FULL} & {first, second}:
        return ""  # a sentence of their own follows
    difference = Scores(comparison.cells).difference(first, second, comparison.tasks)
    return (
        "" if difference is None else f" with a paired difference of {texts.difference(difference)}"
    )


def _against(comparison: Comparison, other: str) -> Iterator[str]:
    difference = Scores(comparison.cells).difference(DEEP, other, comparison.tasks)
    if difference is None:
        return
    won = f"{difference.won} of {texts.count(difference.tasks, 'task')}"
    text = (
        f"{DEEP} is above {other} on {won}; the mean difference is {texts.difference(difference)}"
    )
    yield f"{text}{_share(comparison) if other == FULL else ''}."


def _share(comparison: Comparison) -> str:
    tuned, full = size(comparison, DEEP), size(comparison, FULL)
    return (
        f"; it trains {100 * tuned.tuned / full.tuned:.3g} % of its numbers"
        if tuned and full
        else ""
    )


def _order(comparison: Comparison) -> Iterator[str]:
    checked = check(comparison)
    signs = Counter(one.sign for one in checked)
    general = Counter(one.sign for one in checked if one.general)
    if checked:
        what = f"Of {texts.count(len(checked), 'statement')} of the paper on the order of these methods"
        holding = f"holding here: {signs[1]} (for tasks like these too: {general[1]})"
        yield f"{what}, {holding}; not holding: {signs[-1]} ({general[-1]}); undecided: {signs[0]}."
