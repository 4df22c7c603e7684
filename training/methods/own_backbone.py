"""Base of methods that train weights of the backbone or add layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Self

import torch
from timm.models.eva import Eva
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import Recipe

from .method import Method


class OwnBackbone(Method):
    """A method with its own copy of the backbone.

    All weights of the copy are frozen until `release` is called for them.

    Attributes:
        model: the copy, a timm model in float32 without classifier.
        stochastic: dropout and stochastic depth act in the copy while it trains; in the paper's
            released code they do not.
    """

    served = False
    stochastic: ClassVar[bool] = False

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.model = own_copy(backbone)

    def features(self, inputs: Tensor) -> Tensor:
        images = inputs.to(self.backbone.device, torch.float32)
        tokens = self.model.forward_features(images)
        features: Tensor = self.model.forward_head(tokens, pre_logits=True)
        return features

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.model.train(mode and self.stochastic)
        return self

    def undecayed(self) -> set[str]:
        """Add what timm trains without decay, such as position embeddings and bias tables."""
        return super().undecayed() | {f"model.{name}" for name in self.model.no_weight_decay()}

    def release(self, names: Iterable[str]) -> None:
        """Train these parameters of the copy."""
        for name in names:
            self.model.get_parameter(name).requires_grad_(True)


def own_copy(backbone: Backbone) -> Any:
    """Return a frozen copy of the network in evaluation mode.

    It is in float32, so that it can learn, whatever the dtype of the backbone.
    """
    model: Any = deepcopy(backbone.model).float()
    model.reset_classifier(0)
    return model


def embed(model: Any, images: Tensor) -> Tensor:
    """Return the tokens of images in front of `steps`."""
    tokens: Tensor = model.patch_embed(images)
    if isinstance(model, Eva):
        tokens = model.norm_pre(model._pos_embed(tokens)[0])
    elif hasattr(model, "blocks"):  # a ViT; a Swin adds nothing to its patches
        tokens = model.norm_pre(model.patch_drop(model._pos_embed(tokens)))
    return tokens


def steps(model: Any) -> list[nn.Module]:
    """Return the modules between embedding and final norm: blocks, and patch merging in a Swin."""
    if hasattr(model, "blocks"):
        return list(model.blocks)
    return [step for stage in model.layers for step in (stage.downsample, *stage.blocks)]


def passed(model: Any, some: Sequence[nn.Module], tokens: Tensor) -> Tensor:
    """Run tokens through some of the `steps`."""
    rope = getattr(model, "rope", None)
    if rope is None:
        return nn.Sequential(*some)(tokens)
    rotation = rope.get_embed(shape=list(model.patch_embed.grid_size))
    for layer, block in enumerate(model.blocks):
        if block in some:  # mixed rotations have a table for each layer
            tokens = block(tokens, rope=rotation[layer] if rotation.ndim == 4 else rotation)
    return tokens


def blocks(model: Any) -> dict[str, Any]:
    """Return the transformer blocks by their names in the model, in the order of the forward."""
    if hasattr(model, "blocks"):
        return {f"blocks.{index}": block for index, block in enumerate(model.blocks)}
    return {
        f"layers.{stage}.blocks.{index}": block
        for stage, layer in enumerate(model.layers)
        for index, block in enumerate(layer.blocks)
    }
