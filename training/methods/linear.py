"""Linear probe: a linear head on the features of the untouched backbone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head
from facet_vision.training.data.images import InMemory, Inputs, computed
from facet_vision.training.recipe import Recipe

from .method import Method


class Linear(Method):
    """Trains on features standardised over the training images, as linear probes of frozen networks often
    do (cf. He et al. 2022, arXiv 2111.06377, appendix A.1): features that hardly vary would otherwise be learned
    too slowly. The standardisation is folded into the written head.
    """

    name = "linear"
    extracts = True
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.01}

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.mean, self.scale = torch.zeros(backbone.feature_dim), torch.ones(backbone.feature_dim)

    def frozen_part(self, images: Tensor) -> Tensor:
        return self.backbone.features(images).float()

    def prepare(self, images: Inputs) -> Inputs:
        """Extract the features once and standardise them: (images, feature_dim).

        As with batch normalisation, training mode measures mean and scale and evaluation mode applies them.
        """
        features = computed(self.frozen_part, images)
        if self.training:
            self._standardise_by(features)
        return InMemory((features - self.mean) / self.scale)

    def _standardise_by(self, features: Tensor) -> None:
        self.mean, deviation = features.mean(dim=0), features.std(dim=0)
        # a feature that is as good as constant is noise: do not blow it up
        self.scale = deviation.clamp_min(0.01 * deviation.mean().item() + 1e-6)

    def features(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.backbone.device)

    def written_head(self) -> Head:
        weight, bias = super().written_head().layers[0]
        weight = weight / self.scale
        return Head(((weight, bias - weight @ self.mean),))
