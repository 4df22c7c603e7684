"""Visual prompt tuning: learned tokens before one layer or every layer.

Jia et al. 2022 (arXiv 2203.12119).
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .component import Component


class _VisualPrompts(Component):
    """Base of both depths."""

    defaults: ClassVar = {
        "optimizer": "adamw",
        "tokens": 10,
        "lr": 0.2,
        "head_lr": 0.08,
        "weight_decay": 0.01,
    }
    uses = frozenset({"tokens", "prompt_init", "prompt_dropout"})
    exclusive = "prompts"

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        if recipe.tokens < 1:
            raise TrainingError(
                f"tokens: expected at least 1 for {cls.name}, found {recipe.tokens}"
            )

    def _uniform(self, widths: tuple[int, ...]) -> list[Tensor]:
        bound, tokens = prompt_bound(self.backbone), self.recipe.tokens
        return [
            torch.empty(tokens, width).uniform_(-bound, bound, generator=self.generator)
            for width in widths
        ]


class ShallowPrompts(_VisualPrompts):
    """Prompts before the first layer; they pass through all layers as tokens."""

    name = "vpt-shallow"

    def prompts(self) -> list[Tensor]:
        return self._uniform(self.backbone.layer_dims[:1])


class DeepPrompts(_VisualPrompts):
    """New prompts before every layer, trained in the prefix form, which costs nearly nothing."""

    name = "vpt-deep"

    def prompts(self) -> list[Tensor]:
        return self._uniform(self.backbone.layer_dims)


def prompt_bound(backbone: Backbone) -> float:
    """Return v of the paper's uniform(-v, v) for initial prompts.

    It is Xavier's bound of the patch embedding, sqrt(6 / (3 p^2 + d)), where d is the first
    layer's width, also for prompts of wider layers, as in the paper's Swin.
    """
    size = backbone.model.patch_embed.patch_size  # type: ignore[union-attr]
    height, width = cast("tuple[int, int]", size)
    return (6 / (3 * height * width + backbone.layer_dims[0])) ** 0.5
