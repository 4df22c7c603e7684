"""Hyperparameters of many trainings: those of a recipe file, of its tables for some of them, and of flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import TrainingError
from .methods import find
from .recipe import Recipe, make_recipe, read_recipe

SET_BY_PLAN = frozenset({"data", "task", "method", "seed", "description", "measure_on"})
"""Fields of a recipe file that `facet ablate` and `facet compare` do not read: they set them themselves."""


class RecipeOverrides:
    """What `facet ablate` and `facet compare` were given for their trainings.

    The file is one of `facet train`. It may hold tables, named after a method or, in a study, one of its values, with
    what is to be different there:

        epochs = 60
        [full]
        lr = 0.001
        [pad]
        tokens = 4
    """

    def __init__(self, file: Path | None, flags: Mapping[str, Any]) -> None:
        values = {} if file is None else read_recipe(file)
        self.tables = {name: value for name, value in values.items() if isinstance(value, dict)}
        self.common = {
            name: value
            for name, value in values.items()
            if name not in self.tables.keys() | SET_BY_PLAN
        }
        self.flags = dict(flags)

    def recipe(self, method: str, fixed: Mapping[str, Any], value: str = "") -> Recipe:
        """The complete recipe of one training; raises TrainingError where a value is not allowed.

        Args:
            fixed: what the plan sets: data, task, seed and whatever it varies.
            value: of the study, where there is one.
        """
        tables = self.tables.get(method, {}) | self.tables.get(value, {})
        given = {**self.common, **tables, **self.flags, **fixed, "method": method}
        return make_recipe(given, find(method).defaults)

    def check(self, known: Iterable[str], varied: Iterable[str], where: str) -> None:
        """Raise TrainingError for a table or a flag that no training reads.

        Args:
            known: names that a table may have.
            varied: fields that the plan varies.
            where: what this is, for people.
        """
        for name in sorted(self.tables.keys() - set(known)):
            raise TrainingError(
                f"recipe table: expected a method or a value of {where}, found {name!r}"
            )
        for name in sorted(self.flags.keys() & set(varied)):
            raise TrainingError(
                f"{name}: expected no value, which {where} varies, found {self.flags[name]}"
            )
