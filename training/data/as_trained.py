"""Data read as a task's own data were, so that the same images are held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from facet_vision.training.recipe import Recipe

from .datasets import Columns, TaskData, has_columns, load

OPTIONS = (*(field.name for field in fields(Columns)), "seed", "holdout")
"""Fields of a recipe that decide how a source is read."""


def read_as_trained(
    source: str, recipe: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> TaskData:
    """Read a source with the columns, the seed and the held-out share of a task's recipe.

    Args:
        recipe: of the task's manifest; what it lacks has the default of `Recipe`. Its columns hold
            where the source has columns.
        given: of OPTIONS, what is to be taken instead.

    Raises:
        DataError: there is no such source, or nothing can be learned from it.
    """
    values = {name: Recipe.model_fields[name].default for name in OPTIONS}
    own = OPTIONS if has_columns(source) else ("seed", "holdout")
    values |= {name: recipe[name] for name in own if name in recipe}
    values |= given or {}
    seed, holdout = values.pop("seed"), values.pop("holdout")
    return load(source, seed=seed, holdout=holdout, columns=Columns(**values))
