"""Sections of the report, each a text in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from facet_vision.training.comparison.records import Comparison, TrainingResult

from . import texts
from .answers import answers
from .paper import Statement, paper_on
from .scores import Score, Scores
from .totals import FULL, cost, served, size
from .verdicts import CheckedStatement, check

MARKS = {"lowest": "↓", "highest": "↑"}
"""Behind a chosen value that lies at an end of its grid."""


def summary(comparison: Comparison) -> str:
    """Return a table in the shape of the paper's Table 1."""
    columns = comparison.scopes
    scores = Scores(comparison.cells)
    head = ["method", "served", "total", "tuned per task", "of backbone"]
    head += [f"{name} ({len(tasks)})" for name, tasks in columns.items()]
    best = {name: _best(scores, comparison.methods, tasks) for name, tasks in columns.items()}
    rows = []
    for method in comparison.methods:
        cells = [
            _summary_cell(scores, method, tasks, best[name]) for name, tasks in columns.items()
        ]
        rows.append([method, *_sizes(comparison, method), *cells])
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
    """Return the highest mean of the methods that have all of the tasks."""
    found = [scores.score(method, tasks) for method in methods]
    return max((score.mean for score in found if score and not score.lacking), default=None)


def _summary_cell(scores: Scores, method: str, tasks: Sequence[str], best: float | None) -> str:
    text = _emphasised(scores.score(method, tasks), best)
    against = None if method == FULL else scores.difference(method, FULL, tasks)
    return text if against is None else f"{text} [{against.won}]"


def _emphasised(found: Score | None, best: float | None) -> str:
    leads = found is not None and not found.lacking and found.mean == best
    return f"**{texts.score(found)}**" if leads else texts.score(found)


def verdicts(comparison: Comparison) -> str:
    """Return a table of the answers to the comparison's questions."""
    head = ["question", "tasks", "difference", "95 %, by task", "tasks won", "verdict"]
    rows = [
        [
            answer.question,
            f"{answer.scope} ({answer.difference.tasks})",
            texts.points(answer.difference.mean),
            texts.interval(answer.interval),
            str(answer.difference.won),
            answer.verdict,
        ]
        for answer in answers(comparison)
    ]
    if not rows:
        return "No two of the methods that are asked about are here."
    return texts.table(head, rows, words=(*head[:2], "verdict"))


def by_task(comparison: Comparison) -> str:
    """Return a table of the accuracy of every method on every task."""
    scores = Scores(comparison.cells)
    rows = []
    for group, tasks in comparison.groups.items():
        for task in tasks:
            best = _best(scores, comparison.methods, [task])
            found = [scores.score(method, [task]) for method in comparison.methods]
            rows.append([group, task, *(_emphasised(score, best) for score in found)])
    return texts.table(["group", "task", *comparison.methods], rows, words=("group", "task"))


def order(comparison: Comparison) -> str:
    """Return a table of the paper's statements on the order of methods."""
    head = [
        *("the paper's finding", "paper", "here"),
        *("95 %: these tasks", "95 %: tasks like these", "verdict"),
    ]
    rows = [
        [claim(checked.statement), *_evidence(checked), checked.verdict]
        for checked in check(comparison)
    ]
    text = "None of its statements is on two methods that are here."
    if rows:
        text = texts.table(head, rows, words=(head[0], "verdict"))
    known = paper_on(comparison.backbone).accuracy
    absent = [method for method in known if method not in comparison.methods]
    if absent:
        text += f"\n\nNot compared here: {texts.listing(absent)}."
    return text


def claim(statement: Statement) -> str:
    """Return the statement in words."""
    where = f"on {statement.group}" if statement.group else "on the mean"
    if statement.wins:
        where = "on most tasks"
    return f"{statement.better} above {statement.worse} {where}"


def _evidence(checked: CheckedStatement) -> list[str]:
    """Return the cells between the statement and its verdict."""
    found = checked.difference
    if checked.statement.wins:
        won, tasks = checked.statement.wins
        counted = texts.NONE
        if found:
            counted = f"{found.won} of {found.tasks} ({found.surely_won} surely)"
        return [f"{won} of {tasks}", counted, "", ""]
    better, worse = checked.statement.accuracies
    paper = f"{better:.1f} to {worse:.1f} ({texts.points((better - worse) / 100)})"
    if found is None:
        return [paper, texts.NONE, "", ""]
    intervals = [texts.interval(found.here), texts.interval(found.elsewhere)]
    return [paper, texts.points(found.mean), *intervals]


def chosen(comparison: Comparison) -> str:
    """Return a table of the chosen hyperparameters of every method and task, marked at ends."""
    head = ["method", "hyperparameters", *comparison.tasks]
    rows = []
    for method in comparison.methods:
        cells = [cell for cell in comparison.cells if cell.method == method]
        # In the order in which they first occur, which a set would lose.
        names = list(dict.fromkeys(name for cell in cells for name in cell.chosen))
        by_task = [[cell for cell in cells if cell.task == task] for task in comparison.tasks]
        choices = [_choice(found, names) for found in by_task]
        rows.append([method, texts.listing(names) or texts.NONE, *choices])
    return texts.table(head, rows, words=("method", "hyperparameters"))


def _choice(cells: Sequence[TrainingResult], names: Sequence[str]) -> str:
    """Return the values chosen for each seed and the mean accuracy on the validation part.

    Seeds with equal values are listed once.
    """
    if not cells or not names:
        return texts.NONE
    found = [texts.listing(_value(cell, name) for name in names) for cell in cells]
    validation = [cell.validation for cell in cells if cell.validation is not None]
    reached = f" ({texts.percent(fmean(validation))})" if validation else ""
    return " / ".join(dict.fromkeys(found)) + reached


def _value(cell: TrainingResult, name: str) -> str:
    if name not in cell.chosen:
        return texts.NONE
    return f"{cell.chosen[name]:g}{MARKS.get(cell.ends.get(name, ''), '')}"


def cells(comparison: Comparison) -> str:
    """Return a table of every method on every task, with what was chosen and each seed's result."""
    head = ["task", "method", "chosen", "at an end of its grid", "validation", *_seeds(comparison)]
    rows = []
    for task in comparison.tasks:
        for method in comparison.methods:
            found = {
                cell.seed: cell
                for cell in comparison.cells
                if (cell.task, cell.method) == (task, method)
            }
            if found:
                rows.append([task, method, *_cell_row(found, comparison.seeds)])
    return texts.table(head, rows, words=head[:4])


def _seeds(comparison: Comparison) -> list[str]:
    return [f"test, seed {seed}" for seed in comparison.seeds]


def _cell_row(found: Mapping[int, TrainingResult], seeds: Sequence[int]) -> list[str]:
    cell = next(iter(found.values()))  # the choice is the same for all seeds
    values = texts.listing(f"{name} {value:g}" for name, value in cell.chosen.items())
    at_ends = texts.listing(f"{name} {end}" for name, end in cell.ends.items())
    validation = texts.NONE if cell.validation is None else texts.percent(cell.validation)
    measured = [
        texts.percent(found[seed].accuracy) if seed in found else texts.NONE for seed in seeds
    ]
    return [values or texts.NONE, at_ends or "no", validation, *measured]


def costs(comparison: Comparison) -> str:
    """Return a table of time and memory of a training."""
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
    seconds = texts.number(found.seconds)
    speed = texts.number(found.images_per_second)
    memory = texts.number(found.peak_bytes / 2**20)
    if not relative:
        return [seconds, speed, memory]
    relative_seconds = texts.ratio(found.relative_seconds)
    return [seconds, relative_seconds, speed, memory, texts.ratio(found.relative_bytes)]


def making(comparison: Comparison) -> str:
    """Return command, protocol and machine."""
    measured = [f"{task} {_held_out(comparison, task)}" for task in comparison.tasks]
    images = [f"{task} {_images(comparison, task)}" for task in comparison.tasks]
    facts = {
        "backbone": f"{comparison.backbone}, {comparison.backbone_parameters:,} parameters",
        "fingerprint": f"`{comparison.fingerprint}`",
        "protocol": f"`{comparison.protocol}`",
        "seeds": texts.listing(comparison.seeds),
        "training images": texts.listing(images),
        "held-out images": texts.listing(measured),
        **comparison.about,
    }
    return f"```\n{comparison.command}\n```\n\n{texts.table(['', ''], facts.items(), words=('',))}"


def _images(comparison: Comparison, task: str) -> str:
    return _numbers(cell.training_images for cell in comparison.cells if cell.task == task)


def _held_out(comparison: Comparison, task: str) -> str:
    return _numbers(cell.held_out_images for cell in comparison.cells if cell.task == task)


def _numbers(counts: Iterable[int]) -> str:
    return "/".join(map(str, sorted(set(counts)))) or texts.NONE
