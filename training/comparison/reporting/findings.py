"""Findings of a comparison as sentences, computed from its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facet_vision.training.comparison.records import ALL, Comparison

from . import texts
from .answers import answers, on_every_task
from .paper import DEEP
from .scores import Scores
from .totals import FULL, served, size
from .verdicts import check


def findings(comparison: Comparison) -> list[str]:
    """Return the sentences, the most important ones first."""
    return [
        *_completeness(comparison),
        *_leaders(comparison),
        *_answers(comparison),
        *_ends(comparison),
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


def _answers(comparison: Comparison) -> Iterator[str]:
    """Yield the answers over all tasks."""
    for answer in answers(comparison):
        if answer.scope != ALL:
            continue
        found = answer.difference
        share = _share(comparison) if (answer.first, answer.second) == (DEEP, FULL) else ""
        yield (
            f"{answer.question}: "
            f"{texts.points(found.mean)} points ({texts.clustered(answer.interval)}), "
            f"{found.won} of {texts.count(found.tasks, 'task')} won: {answer.verdict}{share}."
        )
    every = on_every_task(comparison)
    if every is not None:
        yield (
            f"{every.first} above {every.second} on every task: {every.verdict} "
            f"(above on {every.above} of {every.tasks}, surely on {every.surely_above}; "
            f"surely below on {every.surely_below})."
        )


def _ends(comparison: Comparison) -> Iterator[str]:
    """Yield how often a search ended at an end of its grid, where more may lie beyond."""
    searches = {(cell.method, cell.task): cell.ends for cell in comparison.cells if cell.chosen}
    if not searches:
        return
    counts = Counter(f"{name} {end}" for ends in searches.values() for name, end in ends.items())
    where = texts.listing(f"{name} {count}" for name, count in sorted(counts.items()))
    at_ends = sum(bool(ends) for ends in searches.values())
    yield (
        f"In {at_ends} of {len(searches)} searches a value at an end of its grid was chosen"
        f"{f' ({where})' if where else ''}."
    )


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
