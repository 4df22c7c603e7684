"""The report of a comparison: Markdown with figures, and all its numbers as JSON."""

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
from .figures import COST, FIGURES, SCATTER, TASKS
from .findings import findings
from .paper import paper_on
from .scores import Scores
from .totals import FULL, cost, served, size
from .verdicts import check


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write README.md, comparison.json and the figures into the folder, each atomically; the folder is created.

    Raises:
        TrainingError: no training is finished, or matplotlib is missing.
    """
    if not comparison.cells:
        raise TrainingError("comparison: expected at least one finished training, found none")
    folder.mkdir(parents=True, exist_ok=True)
    figures = [folder / name for name in FIGURES]
    for path in figures:
        save(FIGURES[path.name](comparison), path)
    numbers, text = folder / "comparison.json", folder / "README.md"
    durable.replace(
        numbers, (json.dumps(as_json(comparison), indent=2, allow_nan=False) + "\n").encode()
    )
    durable.replace(text, markdown(comparison).encode())
    return [text, numbers, *figures]


def markdown(comparison: Comparison) -> str:
    """The report; it shows the figures that `write` puts beside it."""
    parts = [
        f"# {texts.count(len(comparison.methods), 'method')} on {comparison.backbone}",
        "\n".join(f"* {sentence}" for sentence in findings(comparison)),
        "## All methods",
        _summary_notes(comparison),
        sections.summary(comparison),
        f"![Accuracy over tuned parameters]({SCATTER})",
        "Filled markers: served from the shared backbone. Bars: 95 % intervals over seeds. Dotted: the backbone.",
        "## Task by task",
        f"Accuracy on held-out images in percent, {_over(comparison)}; the best in bold.",
        sections.by_task(comparison),
        f"![Accuracy on each task]({TASKS})",
        f"Bars with 95 % intervals over seeds{'; dotted: full' if FULL in comparison.methods else ''}.",
        "## Where the paper's order holds",
        _order_notes(comparison),
        sections.order(comparison),
        "## Chosen hyperparameters",
        "Values over the seeds stand between slashes where they differ; in brackets the accuracy on the validation "
        "part in percent.",
        sections.chosen(comparison),
        "## Time and memory",
        "Medians over trainings with the chosen hyperparameters. Memory: the peak above what the process held before.",
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
    wins = (
        "; in square brackets the number of tasks won against full"
        if FULL in comparison.methods
        else ""
    )
    return (
        "The shape of Table 1 of Jia et al. 2022 ([arXiv 2203.12119](https://arxiv.org/abs/2203.12119)). *Served*: "
        "from the shared backbone. *Total*: numbers stored for all tasks, as a multiple of the backbone; full stores a "
        "backbone for every task, the others one for all; heads are included. Mean accuracy in percent, "
        f"{_over(comparison)}{wins}; the best in bold. A star: tasks are lacking, so the mean is not comparable."
    )


def _order_notes(comparison: Comparison) -> str:
    paper = paper_on(comparison.backbone)
    tasks = f"{sum(paper.groups.values())} tasks ({texts.listing(f'{n} {count}' for n, count in paper.groups.items())})"
    return (
        f"The paper's figures are its means on {paper.backbone}, over {tasks}, in percent. Here: the paired difference "
        "(same task, same seed) in percentage points, with two 95 % intervals by Student's t. For *these tasks*: what "
        "other trainings on them would give. For *tasks like these*: these are a sample of them. A statement is "
        "undecided where the first interval (the second where a task has one seed) includes zero, and else *holds* or "
        "*does not hold*; only *here* where the second does not say so too. Tasks are won *surely* where the interval "
        "of their own difference is above zero; for a verdict more than half must be, or can no longer be. Where "
        "nothing differs, one statement in twenty seems decided by chance."
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Everything that the report says, as numbers: accuracies in [0, 1], only the paper's in percent."""
    return {
        **asdict(comparison),
        "findings": findings(comparison),
        "summary": [_summary(comparison, method) for method in comparison.methods],
        "paper": [asdict(checked) | {"verdict": checked.verdict} for checked in check(comparison)],
    }


def _summary(comparison: Comparison, method: str) -> dict[str, Any]:
    parts = sections.scopes(comparison) | {task: (task,) for task in comparison.tasks}
    scores = Scores(comparison.cells)
    found = {
        name: (scores.score(method, tasks), scores.difference(method, FULL, tasks))
        for name, tasks in parts.items()
    }
    sizes, costs = size(comparison, method), cost(comparison, method)
    return {
        "method": method,
        "served": served(comparison, method),
        "size": asdict(sizes) if sizes else None,
        "cost": asdict(costs) if costs else None,
        "scores": {name: asdict(score) for name, (score, _) in found.items() if score},
        "against full": {
            name: asdict(difference) for name, (_, difference) in found.items() if difference
        },
    }
