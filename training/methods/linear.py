"""Linear probe: a linear head on the features of the frozen backbone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.training.data.images import InMemory, Inputs, compute_rows
from facet_vision.training.recipe import Recipe

from .head import Standardise
from .method import Method


class Linear(Method):
    """Trains on features that are computed once and standardised over the training images."""

    name = "linear"
    extracts = True
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.01}
    uses = frozenset({"head_init"})

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.standardise: Standardise = Standardise(backbone.feature_dim)

    def frozen_part(self, images: Tensor) -> Tensor:
        return self.backbone.features(images).float()

    def prepare(self, images: Inputs) -> Inputs:
        """Extract the features once: (images, feature_dim).

        As with batch normalisation, training mode measures mean and scale, and evaluation mode
        applies them.
        """
        features = compute_rows(self.frozen_part, images)
        if self.training:
            self.standardise.measure(features)
        return InMemory(features)

    def features(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.backbone.device)
