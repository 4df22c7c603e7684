"""A complete recipe from given values, a recipe file and the defaults of the method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facet_vision.prompts_store import check_task_name

from .data.augment import check_augment
from .data.reading import check_parts
from .errors import TrainingError
from .methods import find
from .recipe import Recipe, make_recipe, read_recipe


def new_recipe(file: Path | None = None, /, **given: Any) -> Recipe:
    """Complete a recipe: given fields win over the file, the file over the method's defaults.

    Args:
        file: a TOML file with fields of a recipe.
        given: fields of a recipe by name; `data` and `task` are required here or in the file.

    Raises:
        TrainingError: a field is unknown, missing or out of its range, is given and not read, or
            does not go with another.
        InvalidTaskName: the task's name breaks the rule for names.
    """
    values = ({} if file is None else read_recipe(file)) | given
    method = find(values.get("method", Recipe.model_fields["method"].default))
    recipe = make_recipe(values, method.defaults).without_unread(method.reads())
    check_task_name(recipe.task)
    _check_used(given, recipe, method.reads())
    check_recipe(recipe)
    return recipe


def check_recipe(recipe: Recipe) -> None:
    """Refuse values that exclude one another, before data and backbone are loaded.

    Raises:
        TrainingError: there are some.
    """
    method = find(recipe.method)
    method.check(recipe)
    check_augment(recipe, extracts_features=method.extracts)
    check_parts(recipe)


def _check_used(given: Mapping[str, Any], recipe: Recipe, reads: frozenset[str]) -> None:
    """Refuse a given field that nothing reads; a file may serve several methods."""
    unread = recipe.unread(reads)
    for name in sorted(unread.keys() & given.keys()):
        raise TrainingError(
            f"{name}: expected no value, which {unread[name]} does not use, found {given[name]!r}"
        )
