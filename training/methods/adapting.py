"""Methods that learn an adaptation of the shared backbone: everything that a task file can hold.

Such a method is a sum of components, each of which learns one kind of change. The network's own
weights never change, so that training computes with what will be served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .method import Method, copied


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


class Adapting(Method):
    """Learns the components' prompts and parts, and a head.

    Attributes:
        components: in the order of the method's name.
    """

    components: ClassVar[tuple[type[Component], ...]]

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        prompts: list[Tensor] = []
        parts: dict[str, nn.Parameter] = {}
        self._factors: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        for component in self.components:
            rate = component.defaults["lr"] / self.components[0].defaults["lr"]
            made = component(backbone, recipe, generator)
            own, factors = made.prompts(), made.factors()
            self._rates |= {f"prompts.{layer}": rate for layer in range(len(own))}
            prompts += own
            for name, initial in made.parts().items():
                key = name.replace(".", "/")  # torch allows no dots
                parts[key] = nn.Parameter(initial)
                self._factors[name] = factors.get(name.rpartition(".")[2], 1.0)
                self._rates[f"parts.{key}"] = rate
        self.prompts = nn.ParameterList(prompts)
        self.parts = nn.ParameterDict(parts)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        for component in cls.components:
            component.check(recipe)

    def features(self, inputs: Tensor) -> Tensor:
        return self.backbone.features(inputs, list(self.prompts), self.named_parts())

    def named_parts(self) -> dict[str, Tensor]:
        """Return the parts by their names in a task file, differentiable."""
        found = {}
        for name, factor in self._factors.items():
            part = self.parts[name.replace(".", "/")]
            found[name] = part if factor == 1.0 else factor * part
        return found

    def rate(self, name: str) -> float:
        """Return the parameter's rate as a multiple of the recipe's.

        In a sum that is the ratio of the rates that suit its component and the first one alone.
        """
        return self._rates.get(name, 1.0)

    def written_prompts(self) -> tuple[Tensor, ...]:
        return tuple(copied(prompt) for prompt in self.prompts)

    def written_parts(self) -> dict[str, Tensor]:
        return {name: copied(part) for name, part in self.named_parts().items()}


def learned_alone(component: type[Component]) -> type[Adapting]:
    """Return the method that learns one component."""
    return sum_of((component,))


@cache
def sum_of(components: tuple[type[Component], ...]) -> type[Adapting]:
    """Return the method that learns some components together: "vpt-deep+lora".

    Its defaults are those of the first component, whose learning rate `lr` is.

    Raises:
        TrainingError: a component stands there twice, or two exclude one another.
    """
    kinds = [component.exclusive or component.name for component in components]
    for index, kind in enumerate(kinds):
        if kind in kinds[:index]:
            first = components[kinds.index(kind)].name
            raise TrainingError(
                f"method: expected components that go together, found {first!r} and "
                f"{components[index].name!r}"
            )
    fields = {
        "__doc__": components[0].__doc__,
        "name": "+".join(component.name for component in components),
        "components": components,
        "defaults": _defaults(components),
        "uses": frozenset[str]().union(*(component.uses for component in components)),
    }
    return type("Adapting", (Adapting,), fields)


def _defaults(components: Sequence[type[Component]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for component in reversed(components):
        found |= component.defaults
    return found


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
