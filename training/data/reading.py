"""Data of a training run, in the parts that its recipe requests."""

from __future__ import annotations

from dataclasses import replace

from facet_vision.training.errors import DataError
from facet_vision.training.recipe import Recipe

from .datasets import (
    SEALED,
    Columns,
    TaskData,
    for_selection,
    load,
    take_fraction,
    take_shots,
    with_all_training,
    with_validation,
)


def read_data(recipe: Recipe) -> TaskData:
    """Load the source and take the parts that the recipe asks for.

    A training that is measured on the held-out part learns from everything else, including the
    source's own validation part. Measuring on the validation part is for choosing hyperparameters:
    the held-out part is then sealed. With `patience` the validation part is never learned from.

    Raises:
        DataError: there is no such source, nothing can be learned from it, or a part cannot be
            taken.
    """
    columns = Columns(
        recipe.image_column, recipe.label_column, recipe.split_column, recipe.label_separator
    )
    data = load(recipe.data, seed=recipe.seed, holdout=recipe.holdout, columns=columns)
    if recipe.measure_on == "validation":
        return for_selection(_reduced(data, recipe), recipe.validation, recipe.seed)
    if recipe.patience is not None:
        return with_validation(_reduced(data, recipe), recipe.validation, recipe.seed)
    return _reduced(with_all_training(data), recipe)


def read_training_part(recipe: Recipe) -> TaskData:
    """Read what the recipe's final training learns from; the held-out part is sealed.

    Raises:
        DataError: as `read_data`.
    """
    return replace(read_data(recipe), test=SEALED)


def check_parts(recipe: Recipe) -> None:
    """Refuse a recipe that asks for parts which exclude one another.

    Raises:
        DataError: such a recipe.
    """
    if recipe.shots is not None and recipe.fraction is not None:
        found = f"{recipe.shots} and {recipe.fraction:g}"
        raise DataError(f"shots and fraction: expected one of them, found {found}")


def _reduced(data: TaskData, recipe: Recipe) -> TaskData:
    """Reduce the training part to the recipe's shots or fraction."""
    check_parts(recipe)
    if recipe.shots is not None:
        return take_shots(data, recipe.shots, recipe.seed)
    return data if recipe.fraction is None else take_fraction(data, recipe.fraction, recipe.seed)
