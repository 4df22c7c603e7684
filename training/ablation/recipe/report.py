"""Tables of the stages."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from scipy import stats

from facet_vision.prompts_store import durable
from facet_vision.training.methods import find
from facet_vision.training.recipe import Recipe

if TYPE_CHECKING:
    from .run import Cell, StageResult


def write(method: str, found: Sequence[StageResult], recipe: Recipe, out: Path) -> list[Path]:
    """Write recipe-METHOD.md and .json into a folder.

    Args:
        recipe: that the last stage left.
    """
    text, numbers = (out / f"recipe-{method}.{kind}" for kind in ("md", "json"))
    durable.replace(text, markdown(method, found, recipe).encode())
    durable.replace(numbers, (json.dumps(as_json(found), indent=2) + "\n").encode())
    return [text, numbers]


def markdown(method: str, found: Sequence[StageResult], recipe: Recipe) -> str:
    """Return a table for each stage, and the recipe at the end."""
    lines = [
        f"# Recipe of {method}",
        "",
        "Accuracy in % on validation parts; nothing was measured on a test part. Differences are",
        "to the first alternative of a stage on the same task and seed, with a 95 % interval by",
        "Student's t over the tasks' means. The alternative in bold was kept for the stages after",
        "it.",
    ]
    for result in found:
        tasks = sorted({task for task, _ in next(iter(result.scores.values()))})
        lines += ["", f"## {result.stage.name.capitalize()}", ""]
        head = [result.stage.name, *tasks, "mean", "difference"]
        lines += [_row(head), _row(["---"] * len(head))]
        first = next(iter(result.scores.values()))
        for name, scores in result.scores.items():
            means = [
                100 * _mean([scores[cell] for cell in scores if cell[0] == task]) for task in tasks
            ]
            shown = f"**{name}**" if name == result.chosen else name
            total = 100 * _mean(list(scores.values()))
            cells = [f"{mean:.1f}" for mean in means]
            lines.append(_row([shown, *cells, f"{total:.1f}", _difference(scores, first)]))
    kept = recipe.hyperparameters(find(method).reads())
    for unwanted in ("measure_on", "seed", "method", "task", "data"):
        kept.pop(unwanted, None)
    lines += ["", "## What is left", "", "```toml"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in kept.items()]
    return "\n".join([*lines, "```", ""])


def as_json(found: Sequence[StageResult]) -> list[dict[str, object]]:
    """Return every score."""
    return [
        {
            "stage": result.stage.name,
            "chosen": result.chosen,
            "scores": {
                name: [
                    {"data": data, "seed": seed, "accuracy": score}
                    for (data, seed), score in scores.items()
                ]
                for name, scores in result.scores.items()
            },
        }
        for result in found
    ]


def _difference(scores: Mapping[Cell, float], first: Mapping[Cell, float]) -> str:
    """Return the mean paired difference in points and its interval over tasks."""
    if scores is first:
        return "–"
    by_task: dict[str, list[float]] = defaultdict(list)
    for cell, score in scores.items():
        by_task[cell[0]].append(100 * (score - first[cell]))
    means = [_mean(values) for values in by_task.values()]
    mean = _mean(means)
    if len(means) < 2:
        return f"{mean:+.1f}"
    deviation = sqrt(sum((each - mean) ** 2 for each in means) / (len(means) - 1))
    half = float(stats.t.ppf(0.975, len(means) - 1)) * deviation / sqrt(len(means))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
