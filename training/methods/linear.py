"""Linear probe: a linear head on the features of the frozen backbone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head
from facet_vision.training.data.images import InMemory, Inputs, compute_rows
from facet_vision.training.recipe import Recipe

from .method import Method, layer


class Linear(Method):
    """Trains on features standardised over the training images.

    Linear probes of frozen networks often do so (cf. He et al. 2022, arXiv 2111.06377, appendix
    A.1): features that hardly vary would otherwise be learned too slowly. The standardisation is
    folded into the written head.

    Attributes:
        mean, scale: of the training images' features, (feature_dim,).
    """

    name = "linear"
    extracts = True
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.01}

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.mean = torch.zeros(backbone.feature_dim)
        self.scale = torch.ones(backbone.feature_dim)

    def frozen_part(self, images: Tensor) -> Tensor:
        return self.backbone.features(images).float()

    def prepare(self, images: Inputs) -> Inputs:
        """Extract the features once and standardise them: (images, feature_dim).

        As with batch normalisation, training mode measures mean and scale, and evaluation mode
        applies them.
        """
        features = compute_rows(self.frozen_part, images)
        if self.training:
            self._standardise_by(features)
        return InMemory((features - self.mean) / self.scale)

    def _standardise_by(self, features: Tensor) -> None:
        self.mean = features.mean(dim=0)
        deviation = features.std(dim=0)
        # the variation of an almost constant feature is noise, which must not be amplified
        self.scale = deviation.clamp_min(0.01 * deviation.mean().item() + 1e-6)

    def features(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.backbone.device)

    def written_head(self) -> Head:
        weight, bias = layer(self.head)
        weight = weight / self.scale
        return Head(((weight, bias - weight @ self.mean),))
