"""Partial fine-tuning: the backbone's last k layers and all behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.data.images import Inputs, map_inputs
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .own_backbone import OwnBackbone, blocks, embed, passed, steps


class Partial(OwnBackbone):
    """Trains the last k layers; those below are run once for each image, not in every epoch."""

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
        return map_inputs(self.frozen_part, images)

    def frozen_part(self, images: Tensor) -> Tensor:
        """Compute the tokens that enter the first trained layer."""
        frozen, _ = self._parts()
        images = images.to(self.backbone.device, torch.float32)
        with torch.no_grad():
            return passed(self.model, frozen, embed(self.model, images))

    def features(self, inputs: Tensor) -> Tensor:
        _, trained = self._parts()
        tokens = passed(self.model, trained, inputs.to(self.backbone.device))
        features: Tensor = self.model.forward_head(self.model.norm(tokens), pre_logits=True)
        return features

    def _parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Return the modules between embedding and final norm: the frozen and the trained ones."""
        parts = steps(self.model)
        cut = parts.index(self.model.get_submodule(self.first))
        return parts[:cut], parts[cut:]


def _from(first: str, model: Any) -> Iterator[str]:
    """Yield the names of the parameters of layer `first` and of all behind it.

    timm creates modules in the order of the forward.
    """
    reached = False
    for name, _ in model.named_parameters():
        reached = reached or name.startswith(f"{first}.")
        if reached:
            yield name
