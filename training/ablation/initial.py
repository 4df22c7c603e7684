"""Initial values of prompts: random ones, and prototypes of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.training.data.images import Inputs, in_order
from facet_vision.training.errors import TrainingError

from .tokens import embed, vision_transformer

TOKEN_STD = 0.02
"""Standard deviation with which ViTs draw their own learned tokens."""


def drawn(
    shape: Sequence[int],
    kind: str,
    generator: torch.Generator,
    *,
    low: float,
    high: float,
    std: float = TOKEN_STD,
) -> Tensor:
    """A tensor of initial values: "uniform" in [low, high), "normal" with mean 0, or "zero"."""
    if kind == "uniform":
        return torch.empty(*shape).uniform_(low, high, generator=generator)
    if kind == "normal":
        return torch.empty(*shape).normal_(0, std, generator=generator)
    return torch.zeros(*shape)


def xavier_bound(patch_embed: Any, width: int) -> float:
    """v of the paper's uniform(-v, v) for prompts of this width: sqrt(6 / (3 p^2 + width))."""
    height, across = patch_embed.patch_size
    return float((6 / (3 * height * across + width)) ** 0.5)


def prototypes(
    backbone: Backbone,
    images: Inputs,
    targets: Tensor,
    classes: int,
    kind: str,
    layers: Sequence[int],
) -> list[Tensor]:
    """For each of `layers` the classes' mean class tokens, (classes, dim), as its initial prompts.

    Args:
        kind: "final-cls" takes the class token behind the final norm for every layer; "cls-nolastl" the one that
            enters the layer; "cls-nofirstl" the one that leaves it.

    Raises:
        TrainingError: the backbone has no class token, or a class has no image.
    """
    means = _mean_class_tokens(backbone, images, targets, classes)
    place = {
        "final-cls": lambda _: -1,
        "cls-nolastl": lambda layer: layer,
        "cls-nofirstl": lambda layer: layer + 1,
    }
    return [means[:, place[kind](layer)] for layer in layers]


def _mean_class_tokens(backbone: Backbone, images: Inputs, targets: Tensor, classes: int) -> Tensor:
    """(classes, layers + 2, dim): what enters the first layer, what leaves each, what leaves the final norm."""
    model = vision_transformer(backbone)
    if model.cls_token is None:
        raise TrainingError(
            f"init: expected a backbone with a class token for prototypes, found {backbone.name}"
        )
    counts = torch.bincount(targets, minlength=classes)
    if not counts.all():
        raise TrainingError(
            "init: expected an image of every class for prototypes, found a class without"
        )
    rows = in_order(len(images), 64)
    batches = zip(targets.split(64), images.batches(rows), strict=True)
    total = sum(
        _summed(_class_tokens(backbone, model, batch), labels, classes) for labels, batch in batches
    )
    return torch.as_tensor(total) / counts[:, None, None]


def _class_tokens(backbone: Backbone, model: Any, images: Tensor) -> Tensor:
    """(batch, layers + 2, dim) in float32 on the CPU."""
    with torch.no_grad():
        x = embed(model, images.to(backbone.device, backbone.dtype))
        found = [x[:, 0]]
        for block in model.blocks:
            x = block(x)
            found.append(x[:, 0])
        return torch.stack([*found, model.norm(x)[:, 0]], dim=1).float().cpu()


def _summed(rows: Tensor, labels: Tensor, classes: int) -> Tensor:
    return torch.zeros(classes, *rows.shape[1:]).index_add_(0, labels, rows)
