"""Methods that learn an adaptation of the shared backbone: everything that a task file can hold.

Such a method is a sum of components, each of which learns one kind of change. The network's own
weights never change, so that training computes with what will be served.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.data.images import Inputs
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .components import Component
from .dropout import stochastic_depth
from .method import HEAD_FIELDS, Method, copied
from .prompt_start import sampled_tokens, start, whitening


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
        self._whitening: list[Tensor] = []
        self.prompts = nn.ParameterList(prompts)
        self.parts = nn.ParameterDict(parts)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        for component in cls.components:
            component.check(recipe)

    def begin(self, inputs: Inputs, targets: Tensor, generator: torch.Generator) -> None:
        kind = self.recipe.prompt_init
        if len(self.prompts) and kind != "uniform":
            tokens = sampled_tokens(self.backbone, inputs, len(self.prompts), generator)
            if kind == "whitened":
                self._whitening = [
                    whitening(of_layer).to(self.backbone.device) for of_layer in tokens
                ]
            else:
                with torch.no_grad():
                    for prompt, first in zip(
                        self.prompts,
                        start(kind, list(self.prompts), tokens, generator),
                        strict=True,
                    ):
                        prompt.copy_(first)
        super().begin(inputs, targets, generator)

    def features(self, inputs: Tensor) -> Tensor:
        prompts = self.learned_prompts()
        if self.training and self.recipe.prompt_dropout:
            prompts = [F.dropout(prompt, self.recipe.prompt_dropout) for prompt in prompts]
        rate = self.recipe.drop_path if self.training else 0.0
        with stochastic_depth(self.backbone.model, rate, len(inputs)):
            return self.backbone.features(inputs, prompts, self.named_parts())

    def learned_prompts(self) -> list[Tensor]:
        """Return the prompts as the backbone reads them, differentiable."""
        if not self._whitening:
            return list(self.prompts)
        pairs = zip(self.prompts, self._whitening, strict=True)
        return [prompt @ whitening for prompt, whitening in pairs]

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
        return tuple(copied(prompt) for prompt in self.learned_prompts())

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
        "uses": HEAD_FIELDS.union({"drop_path"}, *(component.uses for component in components)),
    }
    return type("Adapting", (Adapting,), fields)


def _defaults(components: Sequence[type[Component]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for component in reversed(components):
        found |= component.defaults
    return found
