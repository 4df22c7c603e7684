"""Grid search of hyperparameters on the validation part.

Jia et al. 2022 (arXiv 2203.12119) try every learning rate with every weight decay, choose the pair
with the best score on the validation part after the last epoch, of equals the one with the smaller
rate, and train anew with the validation part added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import find
from facet_vision.training.recipe import Recipe, make_recipe

PAPER_RATES = {
    "sgd": (50.0, 25.0, 10.0, 5.0, 2.5, 1.0, 0.5, 0.25, 0.1, 0.05),
    "adamw": (0.005, 0.001, 0.0005, 0.0001),
}
PAPER_DECAYS = (0.01, 0.001, 0.0001, 0.0)
"""The paper's grid, by optimizer; rates are for batches of 256, and the head has the same rate."""

SEARCHABLE = (
    *("lr", "head_lr", "weight_decay", "epochs", "batch_size", "warmup"),
    *("tokens", "dropout", "reduction", "rank", "alpha"),
)

Grid = Mapping[str, tuple[float, ...]]
"""Values by field of the recipe; all combinations are tried."""


@dataclass(frozen=True)
class Trial:
    """One combination and its score: the first metric on the validation part, in [0, 1]."""

    recipe: Recipe
    score: float


def grid_of(recipe: Recipe) -> Grid:
    """Return the grid of the recipe's `search`.

    It is "paper", or values by field such as "lr=0.1,0.05 weight_decay=0.01,0".

    Raises:
        TrainingError: it has another form, or names a field that cannot be searched or that the
            method does not use.
    """
    text = recipe.search or ""
    if text == "paper":
        return {"lr": PAPER_RATES[recipe.optimizer], "weight_decay": PAPER_DECAYS}
    parts = [part.partition("=") for part in text.split()]
    grid = {name: tuple(dict.fromkeys(_numbers(values, text))) for name, _, values in parts}
    unknown = [name for name in grid if name not in SEARCHABLE]
    if unknown or not grid or len(grid) < len(parts):
        expected = f"'paper' or a grid over {', '.join(SEARCHABLE)}, each once"
        raise TrainingError(f"search: expected {expected}, found {text!r}")
    for name in grid.keys() & recipe.unread(find(recipe.method).reads()).keys():
        raise TrainingError(
            f"search: expected hyperparameters that {recipe.method} uses, found {name!r}"
        )
    return grid


def candidates(recipe: Recipe) -> list[Recipe]:
    """Return the recipes of the trials, one for each combination of the grid.

    All are measured on the validation part. A head rate stays in its ratio to the learning rate,
    unless the grid names it too; in the paper's grid one rate serves both.

    Raises:
        TrainingError: the grid has another form, or a value is out of its field's range.
    """
    grid = grid_of(recipe)
    made = []
    for values in product(*grid.values()):
        changed = dict(zip(grid, values, strict=True))
        made.append(_changed(recipe, changed | {"measure_on": "validation", "search": None}))
    return made


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best score.

    Of equals it is the one with the smaller learning rate, then the first.
    """
    return max(trials, key=lambda trial: (trial.score, -trial.recipe.lr))


def final(recipe: Recipe, chosen: Recipe) -> Recipe:
    """Return the recipe with the chosen values, for the training on all training images."""
    return chosen.model_copy(
        update={"measure_on": recipe.measure_on, "search": recipe.search, "seed": recipe.seed}
    )


def chosen_values(recipe: Recipe) -> dict[str, float]:
    """Return the recipe's values of its grid's fields, and the head's rate where it has one."""
    names = [*grid_of(recipe)]
    if recipe.head_lr is not None and "head_lr" not in names:
        names.append("head_lr")
    return {name: getattr(recipe, name) for name in names}


def _changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    if "lr" in changes and "head_lr" not in changes and recipe.head_lr is not None:
        changes["head_lr"] = None
        if recipe.search != "paper":
            ratio = recipe.head_lr / recipe.lr
            changes["head_lr"] = float(f"{ratio * changes['lr']:.6g}")
    return make_recipe(dict(recipe) | changes, {})


def _numbers(values: str, text: str) -> list[float]:
    if not re.fullmatch(r"[-+.e\d]+(,[-+.e\d]+)*", values):
        raise TrainingError(
            f"search: expected numbers with commas between after each name and '=', found {text!r}"
        )
    try:
        return [int(value) if value.isdecimal() else float(value) for value in values.split(",")]
    except ValueError as error:
        raise TrainingError(f"search: expected numbers, found {text!r}") from error
