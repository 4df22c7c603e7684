"""What is searched once: one method, or one variant of it, on one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facet_vision.training.recipe import Recipe
from facet_vision.training.tuning.search import candidates, final
from facet_vision.training.variants.variant import Variant


@dataclass(frozen=True)
class Entry:
    """A search on the validation part, and the final trainings with what it chose.

    Attributes:
        recipe: before the search, with the first seed.
        seeds: of the final trainings; the first one is the seed of the search too.
        name: of what is trained, for the lines about it.
        variant: None for the method as it is registered.
        varied: JSON values that tell it from other entries of its method and task.
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    name: str
    variant: Variant | None = None
    varied: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, Any]:
        """What its trainings are found by, beside their hyperparameters or seeds."""
        place: dict[str, Any] = {"method": self.recipe.method, "data": self.recipe.data}
        return place | ({"varied": dict(self.varied)} if self.varied else {})

    def trials(self) -> list[Recipe]:
        """Return the recipes tried on the validation part; none where the recipe has no search."""
        return [] if self.recipe.search is None else candidates(self.recipe)

    def final(self, trial: int | None, seed: int) -> Recipe:
        """Return the training whose result is reported.

        Args:
            trial: the chosen one's number, None without a search.
        """
        chosen = self.recipe if trial is None else final(self.recipe, self.trials()[trial])
        return chosen.model_copy(update={"seed": seed})
