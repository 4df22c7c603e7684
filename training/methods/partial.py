"""Partial fine-tuning: the last k layers of the backbone and what follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.data.images import Inputs, through
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .own_backbone import OwnBackbone, blocks, embedded, steps


class Partial(OwnBackbone):
    """The layers below the trained ones are run once for each image, not in every epoch."""

    name = "partial-k"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.01, "head_lr": 0.02, "weight_decay": 0.01}

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        layers = len(backbone.layer_dims)
        if recipe.method_number > layers:
            raise TrainingError(
                f"method: expected partial-1 to partial-{layers}, found {recipe.method!r}"
            )
        self.first = list(blocks(self.model))[-recipe.method_number]
        self.release(_from(self.first, self.model))

    def prepare(self, images: Inputs) -> Inputs:
        return through(self.frozen_part, images)

    def frozen_part(self, images: Tensor) -> Tensor:
        """The tokens that enter the first trained layer."""
        with torch.no_grad():
            below: Tensor = self._parts()[0](
                embedded(self.model, images.to(self.backbone.device, torch.float32))
            )
        return below

    def features(self, inputs: Tensor) -> Tensor:
        tokens = self._parts()[1](inputs.to(self.backbone.device))
        features: Tensor = self.model.forward_head(self.model.norm(tokens), pre_logits=True)
        return features

    def _parts(self) -> tuple[nn.Sequential, nn.Sequential]:
        """What lies between embedding and final norm, cut in front of the first trained layer."""
        parts = steps(self.model)
        cut = parts.index(self.model.get_submodule(self.first))
        return nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])


def _from(first: str, model: Any) -> Iterator[str]:
    """Names of the parameters of layer `first` and of all that follows: timm creates modules in forward order."""
    reached = False
    for name, _ in model.named_parameters():
        reached = reached or name.startswith(f"{first}.")
        if reached:
            yield name
