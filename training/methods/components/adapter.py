"""Adapters: trained bottlenecks behind or beside the MLP of every layer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from facet_vision.training.errors import TrainingError

from .component import Component, at_sites

PARALLEL_SCALE = 0.1
"""The factor s of what AdaptFormer adds, the best of its table of scales."""


class Adapter(Component):
    """h + U gelu(D h + d) + u with h the output of the MLP.

    Adapters are from Houlsby et al. 2019; the position, one per layer, from Pfeiffer et al. 2020.
    """

    name = "adapter"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.03, "head_lr": 0.02, "weight_decay": 0.01}
    uses = frozenset({"reduction", "adapter_init"})

    def parts(self) -> dict[str, Tensor]:
        return _bottlenecks("adapter", self)


class AdaptFormer(Component):
    """h + s (U relu(D x + d) + u) with x the input of the MLP, h its output and s = 0.1.

    AdaptFormer (Chen et al. 2022, arXiv 2205.13535).
    """

    name = "adaptformer"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.03, "head_lr": 0.02, "weight_decay": 0.01}
    uses = frozenset({"reduction", "adapter_init"})

    def parts(self) -> dict[str, Tensor]:
        return _bottlenecks("parallel", self)

    def factors(self) -> dict[str, float]:
        return {"up": PARALLEL_SCALE, "up_bias": PARALLEL_SCALE}


def _bottlenecks(kind: str, component: Component) -> dict[str, Tensor]:
    """Return U and both biases as zero, so that the network is unchanged at first; D is random.

    An `adapter_init` of "zero" makes D zero, as released with Jia et al. 2022. Then no gradient
    reaches U, hence none reaches D: u alone ever learns.
    """
    backbone, recipe = component.backbone, component.recipe
    narrowest = min(backbone.layer_dims)
    if recipe.reduction > narrowest:
        expected = f"at most {narrowest}, the width of a layer"
        raise TrainingError(f"reduction: expected {expected}, found {recipe.reduction}")

    def bottleneck(place: str, dim: int, _: int) -> dict[str, Tensor]:
        width = dim // recipe.reduction
        down = torch.zeros(width, dim)
        if recipe.adapter_init == "random":
            nn.init.kaiming_normal_(down, generator=component.generator)
        return {
            f"{kind}.{place}.down": down,
            f"{kind}.{place}.down_bias": torch.zeros(width),
            f"{kind}.{place}.up": torch.zeros(dim, width),
            f"{kind}.{place}.up_bias": torch.zeros(dim),
        }

    return at_sites(backbone, ["block"], bottleneck)
