"""Partial fine-tuning: the last k layers of the backbone and what follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from backbone import Backbone
from training.errors import TrainingError
from training.recipe import Recipe

from .own_backbone import OwnBackbone, blocks


class Partial(OwnBackbone):
    name = "partial-k"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.01, "head_lr": 0.02, "weight_decay": 0.01}

    def __init__(self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator) -> None:
        super().__init__(backbone, classes, recipe, generator)
        layers = len(backbone.layer_dims)
        if recipe.method_number > layers:
            raise TrainingError(f"method: expected partial-1 to partial-{layers}, found {recipe.method!r}")
        self.release(_from_layer(self.model, layers - recipe.method_number))


def _from_layer(model: Any, index: int) -> Iterator[str]:
    """Names of the parameters of layer `index` and of all that follows: timm creates modules in forward order."""
    first = list(blocks(model))[index]
    reached = False
    for name, _ in model.named_parameters():
        reached = reached or name.startswith(f"{first}.")
        if reached:
            yield name
