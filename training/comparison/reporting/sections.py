"""The report's sections, each a text in Markdown made of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from facet_vision.training.comparison.records import Comparison, Trained

from . import texts
from .paper import Statement, paper_on
from .scores import Score, Scores
from .totals import FULL, cost, served, size
from .verdicts import Checked, check

ALL = "all"
"""Stands for the tasks of all groups."""


def scopes(comparison: Comparison) -> dict[str, tuple[str, ...]]:
    """Tasks by the name of what they form: each group, and all of them."""
    groups = comparison.groups if len(comparison.groups) > 1 else {}
    return {**groups, ALL: comparison.tasks}


def summary(comparison: Comparison) -> str:
    """The shape of the paper's Table 1."""
    columns = scopes(comparison)
    scores = Scores(comparison.cells)
    head = ["method", "served", "total", "tuned per task", "of backbone"]
    head += [f"{name} ({len(tasks)})" for name, tasks in columns.items()]
    best = {name: _best(scores, comparison.methods, tasks) for name, tasks in columns.items()}
    rows = [
        [
            method,
            *_sizes(comparison, method),
            *(_summary_cell(scores, method, tasks, best[name]) for name, tasks in columns.items()),
        ]
        for method in comparison.methods
    ]
    return texts.table(head, rows, words=("method", "served"))


def _sizes(comparison: Comparison, method: str) -> list[str]:
    found = size(comparison, method)
    if found is None:
        return [texts.NONE] * 4
    return [
        "yes" if served(comparison, method) else "no",
        texts.NONE if found.total is None else f"{found.total:.2f}×",
        f"{found.tuned:,.0f}",
        f"{100 * found.tuned / comparison.backbone_parameters:.2f} %",
    ]


def _best(scores: Scores, methods: Sequence[str], tasks: Sequence[str]) -> float | None:
    found = [
        score.mean
        for method in methods
        if (score := scores.score(method, tasks)) and not score.lacking
    ]
    return max(found, default=None)


def _summary_cell(scores: Scores, method: str, tasks: Sequence[str], best: float | None) -> str:
    found = scores.score(method, tasks)
    text = _emphasised(found, best)
    against = None if method == FULL else scores.difference(method, FULL, tasks)
    return text if against is None else f"{text} [{against.won}]"


def _emphasised(found: Score | None, best: float | None) -> str:
    leads = found is not None and not found.lacking and found.mean == best
    return f"**{texts.score(found)}**" if leads else texts.score(found)


def by_task(comparison: Comparison) -> str:
    """Accuracy of every method on every task."""
    scores = Scores(comparison.cells)
    rows = []
    for group, tasks in comparison.groups.items():
        for task in tasks:
            best = _best(scores, comparison.methods, [task])
            cells = [
                _emphasised(scores.score(method, [task]), best) for method in comparison.methods
            ]
            rows.append([group, task, *cells])
    return texts.table(["group", "task", *comparison.methods], rows, words=("group", "task"))


def order(comparison: Comparison) -> str:
    """The paper's statements on the order of methods, row by row."""
    head = [
        "the paper's finding",
        "paper",
        "here",
        "95 %: these tasks",
        "95 %: tasks like these",
        "verdict",
    ]
    rows = [
        [claim(checked.statement), *_evidence(checked), checked.verdict]
        for checked in check(comparison)
    ]
    known = paper_on(comparison.backbone).accuracy
    absent = [method for method in known if method not in comparison.methods]
    left_out = f"\n\nNot compared here: {texts.listing(absent)}." if absent else ""
    return (
        texts.table(head, rows, words=(head[0], "verdict"))
        if rows
        else "None of its statements is on two methods that are here."
    ) + left_out


def claim(statement: Statement) -> str:
    """The statement in words."""
    where = (
        "on most tasks"
        if statement.wins
        else f"on {statement.group}"
        if statement.group
        else "on the mean"
    )
    return f"{statement.better} above {statement.worse} {where}"


def _evidence(checked: Checked) -> list[str]:
    statement, found = checked.statement, checked.difference
    if statement.wins:
        won, tasks = statement.wins
        counted = (
            f"{found.won} of {found.tasks} ({found.surely_won} surely)" if found else texts.NONE
        )
        return [f"{won} of {tasks}", counted, "", ""]
    better, worse = statement.accuracies
    paper = f"{better:.1f} to {worse:.1f} ({texts.points((better - worse) / 100)})"
    if found is None:
        return [paper, texts.NONE, "", ""]
    return [
        paper,
        texts.points(found.mean),
        texts.interval(found.here),
        texts.interval(found.elsewhere),
    ]


def chosen(comparison: Comparison) -> str:
    """The hyperparameters that were chosen, for every method and task."""
    head = ["method", "hyperparameters", *comparison.tasks]
    rows = []
    for method in comparison.methods:
        cells = [cell for cell in comparison.cells if cell.method == method]
        names = list(dict.fromkeys(name for cell in cells for name in cell.chosen))
        by_task = [[cell for cell in cells if cell.task == task] for task in comparison.tasks]
        rows.append(
            [
                method,
                texts.listing(names) or texts.NONE,
                *(_choice(found, names) for found in by_task),
            ]
        )
    return texts.table(head, rows, words=("method", "hyperparameters"))


def _choice(cells: Sequence[Trained], names: Sequence[str]) -> str:
    """What was chosen for each seed, said once where it is the same, and the mean accuracy on the validation part."""
    if not cells or not names:
        return texts.NONE
    found = [
        texts.listing(
            f"{cell.chosen[name]:g}" if name in cell.chosen else texts.NONE for name in names
        )
        for cell in cells
    ]
    validation = [cell.validation for cell in cells if cell.validation is not None]
    reached = f" ({texts.percent(fmean(validation))})" if validation else ""
    return " / ".join(dict.fromkeys(found)) + reached


def costs(comparison: Comparison) -> str:
    """Time and memory of a training."""
    relative = FULL in comparison.methods
    head = ["method", "seconds", "images/s", "peak MiB"]
    if relative:
        head = ["method", "seconds", f"of {FULL}", "images/s", "peak MiB", f"of {FULL}"]
    rows = [[method, *_costs(comparison, method, relative)] for method in comparison.methods]
    return texts.table(head, rows, words=("method",))


def _costs(comparison: Comparison, method: str, relative: bool) -> list[str]:
    found = cost(comparison, method)
    if found is None:
        return [texts.NONE] * (5 if relative else 3)
    memory = texts.number(found.peak_bytes / 2**20)
    numbers = [texts.number(found.seconds), texts.number(found.images_per_second), memory]
    if not relative:
        return numbers
    return [
        numbers[0],
        texts.ratio(found.relative_seconds),
        *numbers[1:],
        texts.ratio(found.relative_bytes),
    ]


def making(comparison: Comparison) -> str:
    """Command, protocol and machine."""
    facts = {
        "backbone": f"{comparison.backbone}, {comparison.backbone_parameters:,} parameters",
        "fingerprint": f"`{comparison.fingerprint}`",
        "seeds": texts.listing(comparison.seeds),
        "training images": texts.listing(
            f"{task} {_images(comparison, task)}" for task in comparison.tasks
        ),
        **comparison.about,
    }
    return f"```\n{comparison.command}\n```\n\n{texts.table(['', ''], facts.items(), words=('',))}"


def _images(comparison: Comparison, task: str) -> str:
    found = sorted({cell.training_images for cell in comparison.cells if cell.task == task})
    return "/".join(map(str, found)) or texts.NONE
