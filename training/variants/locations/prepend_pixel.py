"""Prompts as a strip of pixels, one patch for each token.

The frozen patch embedding turns the strip into tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.variants.initial import drawn, xavier_bound
from facet_vision.training.variants.pooling import pool
from facet_vision.training.variants.tokens import embed, patch_tokens, run, vision_transformer


class PrependPixel(nn.Module):
    """Pixels (3, patch height, patches x patch width), at the input only.

    Each patch gives one prompt token, without position embedding. Where the patch embedding is a
    convolutional stem, a token also sees a little of its neighbours in the strip.
    """

    def __init__(
        self, backbone: Backbone, tokens: int, init: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.backbone = backbone
        patch_embed = vision_transformer(backbone).patch_embed
        height, width = patch_embed.patch_size
        bound = xavier_bound(patch_embed, backbone.layer_dims[0])
        shape = (3, height, tokens * width)
        self.strip = nn.Parameter(drawn(shape, init, generator, low=-bound, high=bound, std=1.0))

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (batch, dim) of preprocessed images."""
        model = vision_transformer(self.backbone)
        x = embed(model, images.to(self.backbone.device, self.backbone.dtype))
        prompts, _ = patch_tokens(model.patch_embed, self.strip[None].to(x.dtype))
        rest = [None] * (len(model.blocks) - 1)
        return pool(model, *run(model, x, [prompts, *rest]), "backbone")
