"""Hyperparameters of a training as they are recorded, and how records differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facet_vision.training.methods import find
from facet_vision.training.recipe import Recipe


def hyperparameters(recipe: Recipe) -> dict[str, Any]:
    """Return all of the recipe that decides the result, as JSON values."""
    values = recipe.hyperparameters(find(recipe.method).reads())
    values.pop("search", None)  # the way values were chosen does not change the result
    return values


def first_difference(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """Return the first hyperparameter in which they differ, or None.

    One that a record lacks has its default, so that records stay valid when recipes get another
    field.
    """
    for name in dict.fromkeys([*recorded, *found]):
        default = Recipe.model_fields[name].default
        if recorded.get(name, default) != found.get(name, default):
            return name
    return None
