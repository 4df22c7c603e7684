"""Interface of a component: one kind of change that a method learns, with its initial values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import Recipe


@dataclass(frozen=True)
class Component:
    """One kind of change, with its initial values.

    Attributes:
        name: of the method that learns it alone.
        defaults: values of the recipe that suit it alone.
        uses: those of `recipe.METHOD_FIELDS` that it reads.
        exclusive: components of which a sum may have one.
        generator: the only source of randomness.
    """

    name: ClassVar[str]
    defaults: ClassVar[dict[str, Any]] = {}
    uses: ClassVar[frozenset[str]] = frozenset()
    exclusive: ClassVar[str | None] = None

    backbone: Backbone
    recipe: Recipe
    generator: torch.Generator

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Refuse a value that it cannot use; raise TrainingError."""

    def prompts(self) -> list[Tensor]:
        """Return initial prompts, one for each layer that has some: (tokens, layer dim)."""
        return []

    def parts(self) -> dict[str, Tensor]:
        """Return initial values of the other parts, by their names in a task file."""
        return {}

    def factors(self) -> dict[str, float]:
        """Return constants by which learned parts are multiplied, by the last word of their names.

        Parts that are not named are not multiplied.
        """
        return {}


def at_sites(
    backbone: Backbone, sites: Sequence[str], make: Callable[[str, int, int], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return parts at these sites of every layer that has them.

    Args:
        make: returns the parts of one place: of its name "{layer}.{site}" and of how many numbers
            the site reads and writes.
    """
    found: dict[str, Tensor] = {}
    for layer in range(len(backbone.layer_dims)):
        for site in sites:
            if (widths := backbone.widths(layer, site)) is not None:
                found |= make(f"{layer}.{site}", *widths)
    return found
