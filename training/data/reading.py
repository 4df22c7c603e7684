"""The data of a training run: a source as the recipe wants it to be learned from and measured on."""

from __future__ import annotations

from dataclasses import replace

from facet_vision.training.errors import DataError
from facet_vision.training.recipe import Recipe

from .datasets import (
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

    To measure on the held-out part, all the rest is learned from, what the source set aside for validation included. To
    measure on the validation part is for choosing hyperparameters: the held-out part is then not looked at. With
    `patience` the validation part is not learned from either way, and stays in `validation`.

    Raises:
        DataError: there is no such source, nothing can be learned from it, or a part cannot be taken.
    """
    columns = Columns(
        recipe.image_column, recipe.label_column, recipe.split_column, recipe.label_separator
    )
    data = load(recipe.data, seed=recipe.seed, holdout=recipe.holdout, columns=columns)
    if recipe.patience is not None:
        return _watched(
            with_validation(_fewer(data, recipe), recipe.validation, recipe.seed), recipe
        )
    if recipe.measure_on == "test":
        return _fewer(with_all_training(data), recipe)
    return for_selection(_fewer(data, recipe), recipe.validation, recipe.seed)


def _watched(data: TaskData, recipe: Recipe) -> TaskData:
    """The fitting is stopped by the validation part, on which the result may be measured too."""
    if recipe.measure_on == "test" or data.validation is None:
        return data
    return replace(data, test=data.validation)


def _fewer(data: TaskData, recipe: Recipe) -> TaskData:
    if recipe.shots is not None and recipe.fraction is not None:
        raise DataError(
            f"shots and fraction: expected one of them, found {recipe.shots} and {recipe.fraction:g}"
        )
    if recipe.shots is not None:
        return take_shots(data, recipe.shots, recipe.seed)
    return data if recipe.fraction is None else take_fraction(data, recipe.fraction, recipe.seed)
