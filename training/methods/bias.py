"""Bias tuning: every bias of the backbone.

BitFit (Zaken et al. 2022) and TinyTL (Cai et al. 2020).
"""

from __future__ import annotations

from typing import ClassVar

import torch

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import Recipe

from .own_backbone import OwnBackbone


class Bias(OwnBackbone):
    """Trains every parameter with "bias" in its name.

    These are the biases of linear layers and norms, and Swin's tables of relative-position bias.
    """

    name = "bias"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.02, "weight_decay": 0.01}

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.release(name for name, _ in self.model.named_parameters() if "bias" in name)
