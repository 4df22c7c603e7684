"""Report of a comparison: Markdown with figures, and its numbers as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facet_vision.common.figures import save
from facet_vision.prompts_store import durable
from facet_vision.training.comparison.records import Comparison
from facet_vision.training.errors import TrainingError

from . import sections, texts
from .answers import answers, on_every_task
from .figures import COST, FIGURES, SCATTER, TASKS
from .findings import findings
from .paper import paper_on
from .scores import Scores
from .totals import FULL, cost, served, size
from .verdicts import check

TEXT = "README.md"
"""File of the report itself, beside its numbers and figures."""

CELLS = "cells.md"
"""File of the table of all cells."""

VERDICT_NOTES = (
    "Paired differences in percentage points (same task, same seed). "
    "Trainings on one task are one cluster: the difference is the mean of the tasks' means, the "
    "interval Student's t over them, with one degree of freedom less than there are tasks "
    "(Cameron and Miller 2015, *A Practitioner's Guide to Cluster-Robust Inference*, J. Human "
    "Resources 50(2)); it is for tasks like these. "
    "*Above* or *below* where the interval excludes zero, else *undecided*. "
    "*Best served* is the served method with the best mean accuracy on the validation parts; "
    "no held-out image has a say in it."
)


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write README.md, cells.md, comparison.json and the figures into the folder, each atomically.

    Args:
        folder: created where it is missing.

    Raises:
        TrainingError: no training is finished, or matplotlib is missing.
    """
    if not comparison.cells:
        raise TrainingError("comparison: expected at least one finished training, found none")
    folder.mkdir(parents=True, exist_ok=True)
    figures = [folder / name for name in FIGURES]
    for path in figures:
        save(FIGURES[path.name](comparison), path)
    numbers = folder / "comparison.json"
    encoded = json.dumps(as_json(comparison), indent=2, allow_nan=False) + "\n"
    durable.replace(numbers, encoded.encode())
    table = folder / CELLS
    durable.replace(table, cells(comparison).encode())
    # The text is last: it refers to the others.
    text = folder / TEXT
    durable.replace(text, markdown(comparison).encode())
    return [text, table, numbers, *figures]


def cells(comparison: Comparison) -> str:
    """Return the table of all cells, in Markdown."""
    parts = [
        f"# Cells of {texts.count(len(comparison.methods), 'method')} on {comparison.backbone}",
        f"Protocol `{comparison.protocol}`. Accuracies in percent.",
        sections.cells(comparison),
    ]
    return "\n\n".join(parts) + "\n"


def markdown(comparison: Comparison) -> str:
    """Return the report, which shows the figures that `write` puts beside it."""
    parts = [
        f"# {texts.count(len(comparison.methods), 'method')} on {comparison.backbone}",
        "\n".join(f"* {sentence}" for sentence in findings(comparison)),
        "## All methods",
        _summary_notes(comparison),
        sections.summary(comparison),
        f"![Accuracy over tuned parameters]({SCATTER})",
        "Filled markers: served from the shared backbone. Bars: 95 % intervals over seeds. "
        "Dotted: the backbone.",
        "## Verdicts",
        VERDICT_NOTES,
        sections.verdicts(comparison),
        "## Task by task",
        f"Accuracy on held-out images in percent, {_over(comparison)}; the best in bold.",
        sections.by_task(comparison),
        f"![Accuracy on each task]({TASKS})",
        _task_figure_notes(comparison),
        "## Where the paper's order holds",
        _order_notes(comparison),
        sections.order(comparison),
        "## Chosen hyperparameters",
        "In brackets the accuracy on the validation part in percent. "
        "An arrow: the value lies at the lower (↓) or upper (↑) end of its grid. "
        f"[{CELLS}]({CELLS}) has every cell, with each seed's accuracy.",
        sections.chosen(comparison),
        "## Time and memory",
        "Medians over trainings with the chosen hyperparameters. "
        "Memory: the peak above what the process held before.",
        sections.costs(comparison),
        f"![Time and memory of a training]({COST})",
        "## How it was made",
        sections.making(comparison),
    ]
    return "\n\n".join(parts) + "\n"


def _over(comparison: Comparison) -> str:
    seeds = comparison.seeds
    if len(seeds) == 1:
        return f"one training each (seed {seeds[0]})"
    return f"mean ± sample standard deviation over {len(seeds)} seeds"


def _summary_notes(comparison: Comparison) -> str:
    wins = ""
    if FULL in comparison.methods:
        wins = "; in square brackets the number of tasks won against full"
    return (
        "The shape of Table 1 of Jia et al. 2022 "
        "([arXiv 2203.12119](https://arxiv.org/abs/2203.12119)). "
        "*Served*: from the shared backbone. "
        "*Total*: numbers stored for all tasks, as a multiple of the backbone; "
        "full stores a backbone for every task, the others one for all; heads are included. "
        f"Mean accuracy in percent, {_over(comparison)}{wins}; the best in bold. "
        "A star: tasks are lacking, so the mean is not comparable."
    )


def _task_figure_notes(comparison: Comparison) -> str:
    full = "; dotted: full" if FULL in comparison.methods else ""
    return f"Bars with 95 % intervals over seeds{full}."


def _order_notes(comparison: Comparison) -> str:
    paper = paper_on(comparison.backbone)
    groups = texts.listing(f"{name} {count}" for name, count in paper.groups.items())
    tasks = f"{sum(paper.groups.values())} tasks ({groups})"
    return (
        f"The paper's figures are its means on {paper.backbone}, over {tasks}, in percent. "
        "Here: the paired difference (same task, same seed) in percentage points, "
        "with two 95 % intervals by Student's t. "
        "For *these tasks*: what other trainings on them would give. "
        "For *tasks like these*: these are a sample of them. "
        "A statement is undecided where the first interval "
        "(the second where a task has one seed) includes zero, "
        "and else *holds* or *does not hold*; only *here* where the second does not say so too. "
        "Tasks are won *surely* where the interval of their own difference is above zero; "
        "for a verdict more than half must be, or can no longer be. "
        "Where nothing differs, one statement in twenty seems decided by chance."
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the report's contents as numbers.

    Accuracies are in [0, 1]; only those of the paper are in percent.
    """
    return {
        **asdict(comparison),
        "findings": findings(comparison),
        "summary": [_summary(comparison, method) for method in comparison.methods],
        "answers": [asdict(answer) | {"verdict": answer.verdict} for answer in answers(comparison)],
        "on every task": _on_every_task(comparison),
        "paper": [asdict(checked) | {"verdict": checked.verdict} for checked in check(comparison)],
    }


def _on_every_task(comparison: Comparison) -> dict[str, Any] | None:
    found = on_every_task(comparison)
    return None if found is None else asdict(found) | {"verdict": found.verdict}


def _summary(comparison: Comparison, method: str) -> dict[str, Any]:
    parts = comparison.scopes | {task: (task,) for task in comparison.tasks}
    all_scores = Scores(comparison.cells)
    scores, differences = {}, {}
    for name, tasks in parts.items():
        score = all_scores.score(method, tasks)
        if score:
            scores[name] = asdict(score)
        difference = all_scores.difference(method, FULL, tasks)
        if difference:
            differences[name] = asdict(difference)
    sizes, costs = size(comparison, method), cost(comparison, method)
    return {
        "method": method,
        "served": served(comparison, method),
        "size": asdict(sizes) if sizes else None,
        "cost": asdict(costs) if costs else None,
        "scores": scores,
        "against full": differences,
    }
