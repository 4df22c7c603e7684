"""The plain token formulation on a ViT, open at every place where a variant changes it."""

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
    """The backbone's network; raises TrainingError for another family, on which the variants are not defined."""
    model: Any = backbone.model
    if type(model) is not VisionTransformer or not isinstance(
        model.patch_embed, PatchEmbed | ConvStem
    ):
        raise TrainingError(
            f"backbone: expected a plain ViT for prompt variants, found {backbone.name} ({type(model).__name__})"
        )
    return model


def patch_tokens(patch_embed: nn.Module, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Tokens (batch, patches, dim) of images of any size, before position embedding; and their grid."""
    maps = patch_convolution(patch_embed)(images)
    norm = getattr(patch_embed, "norm", nn.Identity())
    tokens: Tensor = norm(maps.flatten(2).transpose(1, 2))
    return tokens, (maps.shape[2], maps.shape[3])


def patch_convolution(patch_embed: Any) -> nn.Module:
    """What turns (batch, channels, height, width) into (batch, dim, rows, columns)."""
    part: nn.Module = patch_embed.layers if isinstance(patch_embed, ConvStem) else patch_embed.proj
    return part


def embed(model: Any, images: Tensor, patch_embed: nn.Module | None = None) -> Tensor:
    """What enters the first layer, (batch, class and register tokens and patches, dim).

    Args:
        images: of any size; position embeddings are resized to their grid.
        patch_embed: instead of the model's own.
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
    """The position embedding for a grid of patches, resized linearly between the corners as in the paper's code."""
    position: Tensor | None = model.pos_embed
    if position is None:
        return torch.zeros(())
    if tuple(model.patch_embed.grid_size) == grid:
        return position
    kept = 0 if model.no_embed_class else model.num_prefix_tokens
    maps = position[:, kept:].transpose(1, 2).unflatten(2, model.patch_embed.grid_size)
    resized = F.interpolate(maps.float(), grid, mode="bilinear", align_corners=True).to(
        position.dtype
    )
    return torch.cat((position[:, :kept], resized.flatten(2).transpose(1, 2)), dim=1)


def run(model: Any, x: Tensor, prompts: Sequence[Tensor | None]) -> tuple[Tensor, int]:
    """Run all layers, writing prompts behind the class and register tokens in front of each.

    Args:
        x: as `embed` gives it.
        prompts: for each layer (tokens, dim) or (batch, tokens, dim), which take the place of the prompt tokens that
            are there; None leaves those as they are, a tensor without tokens removes them.

    Returns:
        All tokens behind the final norm, (batch, tokens, dim), and how many of them are prompts.
    """
    start, present = model.num_prefix_tokens, 0
    for block, prompt in zip(model.blocks, prompts, strict=True):
        if prompt is not None:
            x = torch.cat(
                (x[:, :start], prompt.expand(len(x), -1, -1), x[:, start + present :]), dim=1
            )
            present = prompt.shape[-2]
        x = block(x)
    return model.norm(x), present
