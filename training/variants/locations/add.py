"""Prompts added to tokens.

One vector for each token, or one for all of them: their number is not a choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.variants.initial import drawn, xavier_bound
from facet_vision.training.variants.pooling import pool
from facet_vision.training.variants.tokens import embed, vision_transformer


class Add(nn.Module):
    """Vectors added behind the position embedding, and (deep) to the input of each later layer."""

    def __init__(
        self,
        backbone: Backbone,
        layers: int,
        init: str,
        generator: torch.Generator,
        *,
        one_for_all: bool,
    ) -> None:
        """Draw the initial vectors.

        Args:
            layers: how many layers, from the first, have something added: 1 for the shallow form.
            one_for_all: one vector for all tokens ("add-1") instead of one for each, class token
                included.
        """
        super().__init__()
        self.backbone = backbone
        model = vision_transformer(backbone)
        width = backbone.layer_dims[0]
        tokens = 1 if one_for_all else model.num_prefix_tokens + model.patch_embed.num_patches
        bound = xavier_bound(model.patch_embed, width)
        self.added = nn.ParameterList(
            drawn((tokens, width), init, generator, low=-bound, high=bound) for _ in range(layers)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (batch, dim) of preprocessed images."""
        model = vision_transformer(self.backbone)
        x = embed(model, images.to(self.backbone.device, self.backbone.dtype))
        for layer, block in enumerate(model.blocks):
            if layer < len(self.added):
                x = x + self.added[layer].to(x.dtype)
            x = block(x)
        return pool(model, model.norm(x), 0, "backbone")
