"""Low-rank adaptation of the attention's linear layers.

LoRA (Hu et al. 2022, arXiv 2106.09685).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import Recipe

from .own_backbone import OwnBackbone, blocks


class LoRA(OwnBackbone):
    """Adapts the fused query-key-value layer of every block, the output projection, or both."""

    name = "lora"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.03, "head_lr": 0.02, "weight_decay": 0.01}
    uses = frozenset({"rank", "alpha", "lora_targets"})

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        for block in blocks(self.model).values():
            for target in recipe.lora_targets.split("+"):
                linear = getattr(block.attn, target)
                adapted = LowRankLinear(linear, recipe.rank, recipe.alpha, generator)
                setattr(block.attn, target, adapted)

    def merged(self) -> Any:
        """Return a timm model of equal features with plain linear layers W + (alpha / rank) B A."""
        model = deepcopy(self.model)
        for block in blocks(model).values():
            for target in self.recipe.lora_targets.split("+"):
                setattr(block.attn, target, getattr(block.attn, target).merged())
        return model


class LowRankLinear(nn.Module):
    """W x + b + (alpha / rank) B A x with W and b frozen; A is (rank, in), B is (out, rank)."""

    def __init__(
        self, linear: nn.Linear, rank: int, alpha: float, generator: torch.Generator
    ) -> None:
        """Set A to Kaiming-uniform values and B to zero: the network is unchanged at first."""
        super().__init__()
        self.linear = linear
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=5**0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x @ self.lora_a.T @ self.lora_b.T
        return self.linear(x) + self.scale * added

    def merged(self) -> nn.Linear:
        """Return the same function as one linear layer."""
        linear = deepcopy(self.linear)
        with torch.no_grad():
            linear.weight += self.scale * self.lora_b @ self.lora_a
        return linear
