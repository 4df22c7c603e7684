"""Adapters: trained bottlenecks behind the MLP of every layer.

Adapters are from Houlsby et al. 2019; the position, one per layer, from Pfeiffer et al. 2020.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .own_backbone import OwnBackbone, blocks


class Adapter(OwnBackbone):
    """Trains a bottleneck in every layer."""

    name = "adapter"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.03, "head_lr": 0.02, "weight_decay": 0.01}
    uses = frozenset({"reduction", "adapter_init"})

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        narrowest = min(backbone.layer_dims)
        if recipe.reduction > narrowest:
            expected = f"at most {narrowest}, the width of a layer"
            raise TrainingError(f"reduction: expected {expected}, found {recipe.reduction}")
        start = generator if recipe.adapter_init == "random" else None
        for block, width in zip(blocks(self.model).values(), backbone.layer_dims, strict=True):
            bottleneck = Bottleneck(width, width // recipe.reduction, start)
            block.mlp = AdaptedMLP(block.mlp, bottleneck)


class Bottleneck(nn.Module):
    """h + U gelu(D h + b_D) + b_U, with D of shape (narrow, width) and U (width, narrow)."""

    def __init__(self, width: int, narrow: int, generator: torch.Generator | None) -> None:
        """Set U and both biases to zero, so that the network is unchanged at first; D is random.

        Args:
            generator: None for a D of zero, as released with Jia et al. 2022. Then no gradient
                reaches U, hence none reaches D: b_U alone ever learns.
        """
        super().__init__()
        self.downsample = nn.Linear(width, narrow)
        self.upsample = nn.Linear(narrow, width)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        if generator is not None:
            nn.init.kaiming_normal_(self.downsample.weight, generator=generator)

    def forward(self, h: Tensor) -> Tensor:
        change: Tensor = self.upsample(F.gelu(self.downsample(h)))
        return h + change


class AdaptedMLP(nn.Module):
    """A block's MLP with an adapter on its output, before the residual is added."""

    def __init__(self, mlp: nn.Module, adapter: Bottleneck) -> None:
        super().__init__()
        self.mlp = mlp
        self.adapter = adapter

    def forward(self, x: Tensor) -> Tensor:
        adapted: Tensor = self.adapter(self.mlp(x))
        return adapted
