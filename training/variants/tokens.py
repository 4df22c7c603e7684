"""Token formulation of prompts on a ViT, in steps.

The forward is split wherever a variant changes it: patch embedding, position embedding, layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.backbone.tiny import ConvStem
from facet_vision.training.errors import TrainingError


def vision_transformer(backbone: Backbone) -> VisionTransformer:
    """Return the backbone's network.

    Raises:
        TrainingError: it is of another family, on which the variants are not defined.
    """
    model: Any = backbone.model
    # Subclasses of VisionTransformer change the forward, so they are refused too.
    known = type(model) is VisionTransformer and isinstance(
        model.patch_embed, PatchEmbed | ConvStem
    )
    if not known:
        found = f"{backbone.name} ({type(model).__name__})"
        raise TrainingError(
            f"backbone: expected a plain ViT for prompt variants, found {found}; a Swin has only "
            "the locations add and add-1 of vpt-shallow"
        )
    return model


def patch_tokens(patch_embed: nn.Module, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Return tokens (batch, patches, dim) without position embedding, and their grid.

    Args:
        images: of any size.
    """
    maps = patch_convolution(patch_embed)(images)
    norm = getattr(patch_embed, "norm", nn.Identity())
    tokens: Tensor = norm(maps.flatten(2).transpose(1, 2))
    return tokens, (maps.shape[2], maps.shape[3])


def patch_convolution(patch_embed: Any) -> nn.Module:
    """Return the part that maps (batch, channels, height, width) to (batch, dim, rows, columns)."""
    part: nn.Module = patch_embed.layers if isinstance(patch_embed, ConvStem) else patch_embed.proj
    return part


def embed(model: Any, images: Tensor, patch_embed: nn.Module | None = None) -> Tensor:
    """Return the input of the first layer, (batch, class and register tokens and patches, dim).

    Args:
        images: of any size; position embeddings are resized to their grid.
        patch_embed: replaces the model's own.
    """
    patches, grid = patch_tokens(model.patch_embed if patch_embed is None else patch_embed, images)
    own = [
        token.expand(len(patches), -1, -1)
        for token in (model.cls_token, model.reg_token)
        if token is not None
    ]
    position = position_embedding(model, grid)
    if model.no_embed_class:
        x = torch.cat([*own, patches + position], dim=1)
    else:
        x = torch.cat([*own, patches], dim=1) + position
    embedded: Tensor = model.norm_pre(x)
    return embedded


def position_embedding(model: Any, grid: tuple[int, int]) -> Tensor:
    """Return the position embedding for a grid of patches.

    Resized linearly between the corners, as in the paper's code.
    """
    position: Tensor | None = model.pos_embed
    if position is None:
        return torch.zeros(())
    if tuple(model.patch_embed.grid_size) == grid:
        return position
    start = 0 if model.no_embed_class else model.num_prefix_tokens
    maps = position[:, start:].transpose(1, 2).unflatten(2, model.patch_embed.grid_size)
    resized = F.interpolate(maps.float(), grid, mode="bilinear", align_corners=True)
    patches = resized.to(position.dtype).flatten(2).transpose(1, 2)
    return torch.cat((position[:, :start], patches), dim=1)


def run(model: Any, x: Tensor, prompts: Sequence[Tensor | None]) -> tuple[Tensor, int]:
    """Run all layers, with prompts written in front of each.

    Prompts stand behind the class and register tokens.

    Args:
        x: as `embed` returns it.
        prompts: for each layer (tokens, dim) or (batch, tokens, dim), which replace the prompt
            tokens that are there; None leaves those as they are, a tensor without tokens removes
            them.

    Returns:
        All tokens behind the final norm, (batch, tokens, dim), and how many of them are prompts.
    """
    start = model.num_prefix_tokens
    present = 0  # prompt tokens in x
    for block, prompt in zip(model.blocks, prompts, strict=True):
        if prompt is not None:
            rows = prompt.expand(len(x), -1, -1)
            x = torch.cat((x[:, :start], rows, x[:, start + present :]), dim=1)
            present = prompt.shape[-2]
        x = block(x)
    return model.norm(x), present
