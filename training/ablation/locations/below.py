"""Prompts as further channels of the image; at the input only."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Self

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.backbone.tiny import ConvStem
from facet_vision.training.ablation.initial import drawn, xavier_bound
from facet_vision.training.ablation.pooling import pool
from facet_vision.training.ablation.tokens import embed, run, vision_transformer


class Below(nn.Module):
    """`channels` learned channels of the image's size; the convolution that reads the image is widened and trained.

    Its weights for the image's own channels, and its bias, begin as they were. In a convolutional stem that is the
    first convolution; what follows stays frozen.
    """

    def __init__(
        self, backbone: Backbone, channels: int, init: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.backbone = backbone
        patch_embed, (_, height, width) = (
            vision_transformer(backbone).patch_embed,
            backbone.input_size,
        )
        bound = xavier_bound(patch_embed, backbone.layer_dims[0])
        self.channels = nn.Parameter(
            drawn((channels, height, width), init, generator, low=-bound, high=bound)
        )
        self.patch_embed = deepcopy(patch_embed).float()
        _replace_first(
            self.patch_embed, lambda convolution: widened(convolution, channels, bound, generator)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features (batch, dim) of preprocessed images."""
        model, images = vision_transformer(self.backbone), images.to(self.backbone.device)
        below = self.channels.expand(len(images), -1, -1, -1)
        x = embed(model, torch.cat((images.float(), below), dim=1), self.patch_embed).to(
            self.backbone.dtype
        )
        return pool(model, *run(model, x, [None] * len(model.blocks)), "backbone")

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.patch_embed.eval()  # running statistics stay those of the backbone
        return self


def widened(
    convolution: nn.Conv2d, channels: int, bound: float, generator: torch.Generator
) -> nn.Conv2d:
    """The convolution with more input channels, whose weights begin uniform in (-bound, bound); all of it trainable."""
    extra = torch.empty(convolution.out_channels, channels, *convolution.kernel_size)
    wide = deepcopy(convolution).cpu()
    wide.in_channels += channels
    more = extra.uniform_(-bound, bound, generator=generator)
    wide.weight = nn.Parameter(torch.cat((wide.weight.detach(), more), dim=1))
    return wide.requires_grad_(True)


def _replace_first(patch_embed: Any, change: Any) -> None:
    if isinstance(patch_embed, ConvStem):
        patch_embed.layers[0] = change(patch_embed.layers[0])
    else:
        patch_embed.proj = change(patch_embed.proj)
