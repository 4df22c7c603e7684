"""Tables of the study's finished cells, in Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from .cells import MEASURES
from .scores import SCORES


@dataclass(frozen=True)
class CellResult:
    """A finished cell; for `outcome` see `cells.run`."""

    data: str
    method: str
    seed: int
    outcome: Mapping[str, float]


def best(cells: Sequence[CellResult]) -> str:
    """Return the score with the highest mean AUROC over all cells."""
    return max(SCORES, key=lambda name: _mean(cells, f"{name}: auroc"))


def markdown(cells: Sequence[CellResult], backbone: str, command: str) -> str:
    """Return the report: which score is best, a table of each method, and what was trained."""
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    classes = _over_seeds(cells, f"{best(cells)}: auroc")
    parts = [
        f"# Scores for images of unseen classes, on {backbone}",
        f"Best by the mean AUROC of all trainings: **{best(cells)}**, {classes} %.",
        "A quarter of the classes is kept out of training, drawn by the seed. *AUROC* of each data "
        "set and their mean: known classes against these, in percent, mean over "
        f"{len(seeds)} seeds ({', '.join(map(str, seeds))}); ± is the standard deviation of the "
        "seeds' means. *FPR95*: share of unseen images above the threshold that keeps 95 % of the "
        "known ones. *Kept* and *passed*: shares of known and of unseen images above a threshold "
        "from other held-out images. *Far*: AUROC against images of the other data sets. "
        "*Calibrated*: of logits divided by a temperature that was fitted to those other images.",
    ]
    for method in dict.fromkeys(cell.method for cell in cells):
        parts += [f"## {method}", _table([cell for cell in cells if cell.method == method])]
    parts += ["## Command", f"    {command}"]
    return "\n\n".join(parts) + "\n"


def as_json(cells: Sequence[CellResult]) -> dict[str, Any]:
    """Return the best score, and the means of every one over all trainings."""
    means = {
        name: {measure: _mean(cells, f"{name}: {measure}") for measure in _measured(cells)}
        for name in SCORES
    }
    return {"best": best(cells), "trainings": len(cells), "means": means}


def _measured(cells: Sequence[CellResult]) -> list[str]:
    """Return the measures that there are: `far_auroc` needs a second data set."""
    return [each for each in MEASURES if f"{next(iter(SCORES))}: {each}" in cells[0].outcome]


def _table(cells: Sequence[CellResult]) -> str:
    data = list(dict.fromkeys(cell.data for cell in cells))
    others = _measured(cells)[1:]
    names = {"fpr95": "FPR95", "kept": "kept", "passed": "passed", "far_auroc": "far"}
    head = ["score", *data, "AUROC, mean", *(names[each] for each in others)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name in SCORES:
        each = [
            _percent(_mean([cell for cell in cells if cell.data == source], f"{name}: auroc"))
            for source in data
        ]
        rest = [_percent(_mean(cells, f"{name}: {measure}")) for measure in others]
        lines.append([name, *each, _over_seeds(cells, f"{name}: auroc"), *rest])
    accuracies = [
        _percent(_mean([cell for cell in cells if cell.data == source], "accuracy"))
        for source in data
    ]
    total = _percent(_mean(cells, "accuracy"))
    lines.append(["(accuracy on known classes)", *accuracies, total, *[""] * len(others)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(cells: Sequence[CellResult], name: str) -> float:
    return fmean(cell.outcome[name] for cell in cells)


def _over_seeds(cells: Sequence[CellResult], name: str) -> str:
    """Return the mean over cells and the deviation of the seeds' means."""
    seeds = dict.fromkeys(cell.seed for cell in cells)
    means = [_mean([cell for cell in cells if cell.seed == seed], name) for seed in seeds]
    spread = f" ± {100 * stdev(means):.1f}" if len(means) > 1 else ""
    return f"{_percent(_mean(cells, name))}{spread}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
