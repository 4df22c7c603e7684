"""Initial values of prompts: random, or prototypes of the classes."""

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

BATCH_ROWS = 64
"""Images that are run at a time for the prototypes."""


def drawn(
    shape: Sequence[int],
    kind: str,
    generator: torch.Generator,
    *,
    low: float,
    high: float,
    std: float = TOKEN_STD,
) -> Tensor:
    """Draw initial values.

    Args:
        kind: "uniform" in [low, high), "normal" with mean 0 and `std`, or "zero".
    """
    if kind == "uniform":
        return torch.empty(*shape).uniform_(low, high, generator=generator)
    if kind == "normal":
        return torch.empty(*shape).normal_(0, std, generator=generator)
    return torch.zeros(*shape)


def xavier_bound(patch_embed: Any, width: int) -> float:
    """Return v of the paper's uniform(-v, v): sqrt(6 / (3 p^2 + width)), p the patch's side.

    Args:
        width: of the prompts.
    """
    patch_height, patch_width = patch_embed.patch_size
    return float((6 / (3 * patch_height * patch_width + width)) ** 0.5)


def prototypes(
    backbone: Backbone,
    images: Inputs,
    targets: Tensor,
    classes: int,
    kind: str,
    layers: Sequence[int],
) -> list[Tensor]:
    """Return the classes' mean class tokens as initial prompts, (classes, dim) for each layer.

    Args:
        targets: (images,) indices of the classes.
        kind: "final-cls" takes the class token behind the final norm for every layer, "cls-nolastl"
            the one that enters the layer, "cls-nofirstl" the one that leaves it.
        layers: from 0.

    Raises:
        TrainingError: the backbone has no class token, or a class has no image.
    """
    means = _mean_class_tokens(backbone, images, targets, classes)
    # Positions in the layers + 2 stages of `_mean_class_tokens`.
    stages = {
        "final-cls": [-1 for _ in layers],
        "cls-nolastl": list(layers),
        "cls-nofirstl": [layer + 1 for layer in layers],
    }
    return [means[:, stage] for stage in stages[kind]]


def _mean_class_tokens(backbone: Backbone, images: Inputs, targets: Tensor, classes: int) -> Tensor:
    """Return the mean class token of each class at each stage, (classes, layers + 2, dim).

    The stages are the input of the first layer, the output of each, and that of the final norm.
    """
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
    batches = images.batches(in_order(len(images), BATCH_ROWS))
    total: Tensor | int = 0
    for labels, batch in zip(targets.split(BATCH_ROWS), batches, strict=True):
        total = total + _summed(_class_tokens(backbone, model, batch), labels, classes)
    return torch.as_tensor(total) / counts[:, None, None]


def _class_tokens(backbone: Backbone, model: Any, images: Tensor) -> Tensor:
    """Return the class token at each stage, (batch, layers + 2, dim), in float32 on the CPU."""
    with torch.no_grad():
        x = embed(model, images.to(backbone.device, backbone.dtype))
        found = [x[:, 0]]
        for block in model.blocks:
            x = block(x)
            found.append(x[:, 0])
        return torch.stack([*found, model.norm(x)[:, 0]], dim=1).float().cpu()


def _summed(rows: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the sum of the rows of each class, (classes, ...)."""
    return torch.zeros(classes, *rows.shape[1:]).index_add_(0, labels, rows)
