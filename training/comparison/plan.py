"""Trainings of a comparison.

Every method on every task: hyperparameters are chosen once, then trained with every seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.entry import Entry
from facet_vision.training.experiments.grids import check_grids
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe

METHODS = (
    *("full", "linear", "partial-1", "mlp-3", "sidetune", "bias", "adapter"),
    *("lora", "vpt-shallow", "vpt-deep"),
)
"""In the order of the paper's Table 1, with LoRA beside the adapter."""

UNGROUPED = "tasks"
"""Name of the group of the data sets that are given without one."""


@dataclass(frozen=True)
class Plan:
    """The trainings of one `facet compare`.

    Attributes:
        groups: sources, as `facet train` takes them, by the group of the table that they are in.
        methods: in the order of the table.
        seeds: of the final trainings; the first one is the seed of the search too.
        overrides: hyperparameters of a recipe file and of flags.
    """

    groups: dict[str, tuple[str, ...]]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: RecipeOverrides

    @property
    def sources(self) -> tuple[str, ...]:
        """All sources, group by group."""
        return tuple(source for sources in self.groups.values() for source in sources)

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for every method on every task, task by task."""
        for source in self.sources:
            for method in self.methods:
                yield Entry(self.recipe(method, source), self.seeds, method)

    def recipe(self, method: str, source: str) -> Recipe:
        """Return the recipe before the search, with the first seed."""
        fixed = {"data": source, "task": "comparison", "seed": self.seeds[0]}
        return self.overrides.recipe(method, fixed)

    def check(self) -> None:
        """Check methods, tables and grids, before the first training.

        Raises:
            TrainingError: one of them is not usable, or the search is not alike for all methods.
        """
        self.overrides.check((), (), "the comparison")
        # also of the file's other methods, which a later command may add
        methods = dict.fromkeys((*self.methods, *self.overrides.methods))
        check_grids({method: self.recipe(method, self.sources[0]) for method in methods})
        self.overrides.check_read((entry.recipe for entry in self.entries()), "the comparison")


def grouped(data: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Sort sources by group.

    Args:
        data: each "GROUP=SOURCE", or "SOURCE" for the group UNGROUPED. A path that exists is a
            source as a whole, even with "=" in it.

    Raises:
        TrainingError: there is no source, or one occurs twice.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for text in data:
        group, separator, source = text.partition("=")
        if not separator or not group.isidentifier() or Path(text).exists():
            group, source = UNGROUPED, text
        if any(source in sources for sources in groups.values()):
            raise TrainingError(f"data: expected every data set once, found {source!r} twice")
        groups[group] = (*groups.get(group, ()), source)
    if not groups:
        raise TrainingError("data: expected a data set, found none")
    return groups
