"""Maps of attention over an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facet_vision.backbone import Backbone, Parts, class_token_attention
from facet_vision.backbone.adaptation import NO_PARTS
from facet_vision.training.errors import TrainingError


@dataclass(frozen=True)
class AttentionMap:
    """Attention of the class token in one layer, the mean over heads.

    Attributes:
        patches: (rows, columns), relative to even attention: 1 where a patch gets what it would if
            all patches got the same, so the mean is 1.
        on_prompts: share of all attention that goes to prompts and learned keys.
    """

    patches: Tensor
    on_prompts: float


def attention_maps(
    backbone: Backbone,
    images: Tensor,
    prompts: Sequence[Tensor],
    layer: int,
    parts: Parts = NO_PARTS,
) -> list[AttentionMap]:
    """Return one map for each image.

    Args:
        images: (batch, 3, height, width), preprocessed.
        prompts: none, one (shallow) or one per layer (deep).
        layer: counted from 1.
        parts: whatever else a task changes in the forward.

    Raises:
        UnsupportedBackbone: there is no class token.
        TrainingError: there is no such layer.
    """
    layers = len(backbone.layer_dims)
    if not 1 <= layer <= layers:
        raise TrainingError(f"layer: expected a number from 1 to {layers}, found {layer}")
    with torch.inference_mode():
        found = class_token_attention(backbone, images, prompts, parts, layer=layer - 1)
        weights = found.float().mean(dim=1).cpu()
    model: Any = backbone.model
    start, grid = model.num_prefix_tokens, model.patch_embed.grid_size
    # In the order class and register tokens, prompts and learned keys, patches.
    patches = weights[:, -grid[0] * grid[1] :]
    relative = patches / patches.mean(dim=1, keepdim=True)
    shares = weights[:, start : weights.shape[1] - patches.shape[1]].sum(dim=1)
    return [
        AttentionMap(row.unflatten(0, grid), share.item())
        for row, share in zip(relative, shares, strict=True)
    ]
