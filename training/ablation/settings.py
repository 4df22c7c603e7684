"""Hyperparameters of a study: those of a recipe file, of its tables for single methods or values, and of flags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.methods import find
from training.recipe import Recipe, make_recipe, read_recipe

from .studies import Point

SET_BY_STUDY = frozenset({"data", "task", "method", "seed", "description"})
"""Fields of a recipe file that a study does not read: it has its own."""


class Settings:
    """What `facet ablate` was given for the trainings.

    The file is one of `facet train`. It may hold tables, named after a method or a value of the study, with what is
    to be different there:

        epochs = 60
        [full]
        lr = 0.001
        [pad]
        tokens = 4
    """

    def __init__(self, file: Path | None, flags: Mapping[str, Any]) -> None:
        values = {} if file is None else read_recipe(file)
        self.tables = {name: value for name, value in values.items() if isinstance(value, dict)}
        self.common = {name: value for name, value in values.items() if name not in self.tables.keys() | SET_BY_STUDY}
        self.flags = dict(flags)

    def recipe(self, point: Point, source: str, seed: int) -> Recipe:
        """The complete recipe of one training; raises TrainingError where a value is not allowed."""
        tables = self.tables.get(point.method, {}) | self.tables.get(point.value, {})
        fixed = {**point.changes, "data": source, "task": "ablation", "method": point.method, "seed": seed}
        return make_recipe({**self.common, **tables, **self.flags, **fixed}, find(point.method).defaults)

    def check(self, study: str, points: list[Point]) -> None:
        """Raise TrainingError for a table or a flag that no point of the study reads."""
        known = {name for point in points for name in (point.method, point.value)}
        for name in sorted(self.tables.keys() - known):
            raise TrainingError(f"recipe table: expected a method or a value of the study {study}, found {name!r}")
        for name in sorted(self.flags.keys() & {field for point in points for field in point.changes}):
            raise TrainingError(f"{name}: expected no value, which the study {study} varies, found {self.flags[name]}")
