"""Hyperparameters chosen on the validation part, before a training on all that is there to learn from.

Jia et al. 2022 (arXiv 2203.12119) try every learning rate with every weight decay, keep the pair that does best on the
validation part after the last epoch, of equals the one with the smaller rate, and train anew with the validation
part added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe, make_recipe

PAPER_RATES = {
    "sgd": (50.0, 25.0, 10.0, 5.0, 2.5, 1.0, 0.5, 0.25, 0.1, 0.05),
    "adamw": (0.005, 0.001, 0.0005, 0.0001),
}
PAPER_DECAYS = (0.01, 0.001, 0.0001, 0.0)
"""The paper's grid, by optimizer; rates are for batches of 256, and the head has none of its own."""

SEARCHABLE = (
    *("lr", "head_lr", "weight_decay", "epochs", "batch_size", "warmup"),
    *("tokens", "dropout", "reduction", "rank", "alpha"),
)

Grid = Mapping[str, tuple[float, ...]]
"""Values by field of the recipe; all combinations are tried."""


@dataclass(frozen=True)
class Trial:
    """One combination and how well it did: the first of the metrics on the validation part, in [0, 1]."""

    recipe: Recipe
    score: float


def grid_of(recipe: Recipe) -> Grid:
    """The grid that the recipe's `search` names: "paper", or such as "lr=0.1,0.05 weight_decay=0.01,0".

    Raises:
        TrainingError: it is written otherwise, or names what cannot be searched.
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
    return grid


def candidates(recipe: Recipe) -> list[Recipe]:
    """The recipes of the trials: every combination of the grid, measured on the validation part.

    A head rate keeps its ratio to the learning rate, unless the grid names it too; in the paper's grid there is
    one rate for both.

    Raises:
        TrainingError: the grid is not one, or a value is out of its field's range.
    """
    grid = grid_of(recipe)
    return [
        _changed(
            recipe,
            dict(zip(grid, values, strict=True)) | {"measure_on": "validation", "search": None},
        )
        for values in product(*grid.values())
    ]


def best(trials: Sequence[Trial]) -> Trial:
    """The trial that did best; of equals the one with the smaller learning rate, then the one that came first."""
    return max(trials, key=lambda trial: (trial.score, -trial.recipe.lr))


def final(recipe: Recipe, chosen: Recipe) -> Recipe:
    """The recipe with the chosen values, for the training on all that is there to learn from."""
    return chosen.model_copy(
        update={"measure_on": recipe.measure_on, "search": recipe.search, "seed": recipe.seed}
    )


def chosen_values(recipe: Recipe) -> dict[str, float]:
    """What the search chose, by the names of the grid, and the head's rate where it has its own."""
    names = dict.fromkeys([*grid_of(recipe), *(["head_lr"] if recipe.head_lr is not None else [])])
    return {name: getattr(recipe, name) for name in names}


def _changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    if "lr" in changes and "head_lr" not in changes and recipe.head_lr is not None:
        ratio = recipe.head_lr / recipe.lr
        changes["head_lr"] = (
            None if recipe.search == "paper" else float(f"{ratio * changes['lr']:.6g}")
        )
    return make_recipe(dict(recipe) | changes, {})


def _numbers(values: str, text: str) -> list[float]:
    if not re.fullmatch(r"[-+.e\d]+(,[-+.e\d]+)*", values):
        raise TrainingError(
            f"search: expected numbers with commas between after each name and '=', found {text!r}"
        )
    try:
        return [
            float(value) if not value.isdecimal() else int(value) for value in values.split(",")
        ]
    except ValueError as error:
        raise TrainingError(f"search: expected numbers, found {text!r}") from error
