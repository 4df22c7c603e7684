"""Prompts as further channels of the image."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Self

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.backbone.tiny import ConvStem
from facet_vision.training.variants.initial import drawn, xavier_bound
from facet_vision.training.variants.pooling import pool
from facet_vision.training.variants.tokens import embed, run, vision_transformer


class Below(nn.Module):
    """Learned channels of the image's size, at the input only.

    The convolution that reads the image is widened and trained. Its weights for the image's own
    channels, and its bias, begin as they were. In a convolutional stem it is the first convolution;
    what follows stays frozen.
    """

    def __init__(
        self, backbone: Backbone, channels: int, init: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.backbone = backbone
        _, height, width = backbone.input_size
        patch_embed = vision_transformer(backbone).patch_embed
        bound = xavier_bound(patch_embed, backbone.layer_dims[0])
        shape = (channels, height, width)
        self.channels = nn.Parameter(drawn(shape, init, generator, low=-bound, high=bound))
        # A copy, because the backbone is shared and stays as it is.
        self.patch_embed = deepcopy(patch_embed).float()
        _replace_first(
            self.patch_embed, lambda convolution: widened(convolution, channels, bound, generator)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (batch, dim) of preprocessed images."""
        model = vision_transformer(self.backbone)
        below = self.channels.expand(len(images), -1, -1, -1)
        wide = torch.cat((images.to(self.backbone.device).float(), below), dim=1)
        x = embed(model, wide, self.patch_embed).to(self.backbone.dtype)
        return pool(model, *run(model, x, [None] * len(model.blocks)), "backbone")

    def train(self, mode: bool = True) -> Self:
        """Switch the mode; the patch embedding stays in evaluation."""
        super().train(mode)
        self.patch_embed.eval()  # running statistics stay those of the backbone
        return self


def widened(
    convolution: nn.Conv2d, channels: int, bound: float, generator: torch.Generator
) -> nn.Conv2d:
    """Return a copy of the convolution with more input channels; all of it is trainable.

    The weights of the new channels begin uniform in (-bound, bound).
    """
    extra = torch.empty(convolution.out_channels, channels, *convolution.kernel_size)
    wide = deepcopy(convolution).cpu()
    wide.in_channels += channels
    more = extra.uniform_(-bound, bound, generator=generator)
    wide.weight = nn.Parameter(torch.cat((wide.weight.detach(), more), dim=1))
    return wide.requires_grad_(True)


def _replace_first(patch_embed: Any, change: Callable[[Any], nn.Conv2d]) -> None:
    """Replace the convolution that reads the image."""
    if isinstance(patch_embed, ConvStem):
        patch_embed.layers[0] = change(patch_embed.layers[0])
    else:
        patch_embed.proj = change(patch_embed.proj)
