"""What a comparison covers: every method on every task, hyperparameters chosen once, trained with every seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facet_vision.training.errors import TrainingError
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.tuning.search import Trial, best, candidates, final

METHODS = (
    *("full", "linear", "partial-1", "mlp-3", "sidetune", "bias", "adapter"),
    *("lora", "vpt-shallow", "vpt-deep"),
)
"""In the order of the paper's Table 1, with LoRA beside the adapter."""

UNGROUPED = "tasks"


@dataclass(frozen=True)
class Plan:
    """What `facet compare` was asked for.

    Attributes:
        groups: sources, as `facet train` takes them, by the group of the table that they are in.
        seeds: the first is that of the search too.
    """

    groups: dict[str, tuple[str, ...]]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: RecipeOverrides

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(source for sources in self.groups.values() for source in sources)

    def entries(self) -> Iterator[Entry]:
        """Task by task, method by method."""
        for source in self.sources:
            for method in self.methods:
                yield Entry(self.recipe(method, source), self.seeds)

    def recipe(self, method: str, source: str) -> Recipe:
        """Before the search, with the first seed."""
        return self.settings.recipe(
            method, {"data": source, "task": "comparison", "seed": self.seeds[0]}
        )

    def check(self) -> None:
        """Raise TrainingError for whatever is wrong with methods, tables or grids, before the first training."""
        for entry in self.entries():
            entry.trials()
        self.settings.check(self.methods, (), "the comparison")


@dataclass(frozen=True)
class Entry:
    """One method on one task."""

    recipe: Recipe
    seeds: tuple[int, ...]

    def trials(self) -> list[Recipe]:
        """What is tried on the validation part; nothing where the recipe has no search."""
        return [] if self.recipe.search is None else candidates(self.recipe)

    def finals(self, trials: Sequence[Trial]) -> list[Recipe]:
        """The trainings whose results are reported, one for each seed."""
        chosen = final(self.recipe, best(trials).recipe) if trials else self.recipe
        return [chosen.model_copy(update={"seed": seed}) for seed in self.seeds]


def grouped(data: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Sources by group: "GROUP=SOURCE" or, in a group of all such, "SOURCE".

    Raises:
        TrainingError: there is none, or one comes twice.
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
