"""Hyperparameters of many trainings: of a recipe file, its tables and flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import TrainingError
from .methods import find
from .new_recipe import check_recipe
from .recipe import Recipe, make_recipe, read_recipe

SET_BY_PLAN = frozenset({"data", "task", "method", "seed", "description", "measure_on"})
"""Fields of a recipe file that `facet ablate` and `facet compare` ignore: their plan sets them."""


class RecipeOverrides:
    """Hyperparameters that `facet ablate` and `facet compare` were given for their trainings.

    The file is a recipe of `facet train`. It may hold tables, each named after a method or, in a
    study, after one of its values, with the fields that differ there:

        epochs = 60
        [full]
        lr = 0.001
        [pad]
        tokens = 4
    """

    def __init__(self, file: Path | None, flags: Mapping[str, Any]) -> None:
        values = {} if file is None else read_recipe(file)
        self.tables: dict[str, dict[str, Any]] = {}
        self.common: dict[str, Any] = {}
        self.flags = dict(flags)
        for name, value in values.items():
            if isinstance(value, dict):
                self.tables[name] = value
            elif name not in SET_BY_PLAN:
                self.common[name] = value

    def recipe(self, method: str, fixed: Mapping[str, Any], value: str = "") -> Recipe:
        """Return the complete recipe of one training.

        Args:
            fixed: fields that the plan sets: data, task, seed and whatever it varies.
            value: of the study, where there is one.

        Raises:
            TrainingError: a value is out of its field's range, or does not go with another.
        """
        tables = self.tables.get(method, {}) | self.tables.get(value, {})
        # later entries win: the plan over flags, flags over tables, tables over common fields
        given = {**self.common, **tables, **self.flags, **fixed, "method": method}
        kind = find(method)
        recipe = make_recipe(given, kind.defaults).without_unread(kind.reads())
        check_recipe(recipe)
        return recipe

    @property
    def methods(self) -> list[str]:
        """The names of methods that have a table."""
        return [name for name in self.tables if _is_method(name)]

    def check(self, known: Iterable[str], varied: Iterable[str], where: str) -> None:
        """Raise TrainingError for a table or a flag that no training reads.

        Args:
            known: names that a table may have beside those of methods: a file may serve several
                plans.
            varied: fields that the plan varies.
            where: name of the plan, for the message.
        """
        for name in sorted(self.tables.keys() - {*known, *self.methods}):
            raise TrainingError(
                f"recipe table: expected a method or a value of {where}, found {name!r}"
            )
        for name in sorted(self.flags.keys() & set(varied)):
            raise TrainingError(
                f"{name}: expected no value, which {where} varies, found {self.flags[name]}"
            )

    def check_read(self, recipes: Iterable[Recipe], where: str) -> None:
        """Raise TrainingError for a flag that none of the recipes reads; `where` as for `check`."""
        unread = set(self.flags)
        for recipe in recipes:
            unread &= recipe.unread(find(recipe.method).reads()).keys()
        for name in sorted(unread):
            raise TrainingError(
                f"{name}: expected no value, which no method of {where} uses, "
                f"found {self.flags[name]!r}"
            )


def _is_method(name: str) -> bool:
    try:
        find(name)
    except TrainingError:
        return False
    return True
