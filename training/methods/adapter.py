"""Adapters (Houlsby et al. 2019; one per layer behind the MLP, as Pfeiffer et al. 2020 place it)."""

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
    name = "adapter"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.03, "head_lr": 0.02, "weight_decay": 0.01}
    uses = frozenset({"reduction", "adapter_init"})

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        if recipe.reduction > min(backbone.layer_dims):
            expected = f"at most {min(backbone.layer_dims)}, the width of a layer"
            raise TrainingError(f"reduction: expected {expected}, found {recipe.reduction}")
        start = generator if recipe.adapter_init == "random" else None
        for block, width in zip(blocks(self.model).values(), backbone.layer_dims, strict=True):
            block.mlp = AdaptedMLP(block.mlp, Bottleneck(width, width // recipe.reduction, start))


class Bottleneck(nn.Module):
    """h + U gelu(D h + b_D) + b_U, with D to `narrow` and U back to `width` numbers."""

    def __init__(self, width: int, narrow: int, generator: torch.Generator | None) -> None:
        """U and both biases begin at zero, so that the network begins as it was; D is random.

        Args:
            generator: None for a D of zero, as released with Jia et al. 2022. Then no gradient reaches U, hence none
                reaches D: b_U alone ever learns.
        """
        super().__init__()
        self.downsample, self.upsample = nn.Linear(width, narrow), nn.Linear(narrow, width)
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
        self.mlp, self.adapter = mlp, adapter

    def forward(self, x: Tensor) -> Tensor:
        adapted: Tensor = self.adapter(self.mlp(x))
        return adapted
