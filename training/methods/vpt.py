"""Visual prompt tuning: learned tokens before one layer or every layer.

Jia et al. 2022 (arXiv 2203.12119).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .method import Method, copied


class VisualPrompts(Method):
    """Base of both depths; a subclass defines which layers have prompts."""

    defaults: ClassVar = {
        "optimizer": "adamw",
        "tokens": 10,
        "lr": 0.2,
        "head_lr": 0.08,
        "weight_decay": 0.01,
    }
    uses = frozenset({"tokens"})

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        bound = prompt_bound(backbone)
        self.prompts = nn.ParameterList(
            torch.empty(recipe.tokens, width).uniform_(-bound, bound, generator=generator)
            for width in self.widths(backbone)
        )

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        if recipe.tokens < 1:
            raise TrainingError(
                f"tokens: expected at least 1 for {cls.name}, found {recipe.tokens}"
            )

    @staticmethod
    @abstractmethod
    def widths(backbone: Backbone) -> tuple[int, ...]:
        """Return the width of each layer that has prompts."""

    def features(self, inputs: Tensor) -> Tensor:
        return self.backbone.features(inputs, list(self.prompts))

    def written_prompts(self) -> tuple[Tensor, ...]:
        return tuple(copied(prompt) for prompt in self.prompts)


class VPTShallow(VisualPrompts):
    """Prompts before the first layer; they pass through all layers as tokens."""

    name = "vpt-shallow"

    @staticmethod
    def widths(backbone: Backbone) -> tuple[int, ...]:
        return backbone.layer_dims[:1]


class VPTDeep(VisualPrompts):
    """New prompts before every layer, trained in the prefix form, which costs nearly nothing."""

    name = "vpt-deep"

    @staticmethod
    def widths(backbone: Backbone) -> tuple[int, ...]:
        return backbone.layer_dims


def prompt_bound(backbone: Backbone) -> float:
    """Return v of the paper's uniform(-v, v) for initial prompts.

    It is Xavier's bound of the patch embedding, sqrt(6 / (3 p^2 + d)), where d is the first
    layer's width, also for prompts of wider layers, as in the paper's Swin.
    """
    size = backbone.model.patch_embed.patch_size  # type: ignore[union-attr]
    height, width = cast("tuple[int, int]", size)
    return (6 / (3 * height * width + backbone.layer_dims[0])) ** 0.5
