"""Every bias of the backbone, as the paper trains them (Zaken et al. 2022, Cai et al. 2020)."""

from __future__ import annotations

from typing import ClassVar

import torch

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import Recipe

from .components.bias import Bias
from .own_backbone import OwnBackbone


class AllBiases(OwnBackbone):
    """Trains every parameter with "bias" in its name, as the paper's released code does.

    These are the biases of linear layers and norms, and Swin's tables of relative-position bias.
    """

    name = "bias-all"
    defaults: ClassVar = Bias.defaults

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.release(name for name, _ in self.model.named_parameters() if "bias" in name)
