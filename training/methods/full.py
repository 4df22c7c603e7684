"""Full fine-tuning: every weight of the backbone."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import Recipe

from .dropout import Dropout
from .method import HEAD_FIELDS
from .own_backbone import OwnBackbone

VIT_DROPOUT = 0.1
"""Share of activations that the paper drops in a ViT."""


class Full(OwnBackbone):
    """Trains the whole copy in training mode.

    So the stochastic depth that the model was built with acts, and dropout behind the embeddings
    and in the MLPs. The default dropout is that of the paper, 0.1 in a ViT and none in a Swin.
    """

    name = "full"
    stochastic = True
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.004, "head_lr": 0.02, "weight_decay": 0.01}
    uses = HEAD_FIELDS | {"dropout"}

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.release(name for name, _ in self.model.named_parameters())
        set_dropout(self.model, recipe.dropout)


def set_dropout(model: Any, rate: float | None) -> None:
    """Set the dropout behind the embeddings and at two places in each MLP.

    Args:
        rate: share of activations dropped; None for the paper's.
    """
    if rate is None:
        rate = VIT_DROPOUT if isinstance(model, VisionTransformer) else 0.0
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Dropout) and (name == "pos_drop" or ".mlp.drop" in name):
            model.set_submodule(name, Dropout(rate))
