"""Prompts added to the tokens of a Swin, at the input only."""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.variants.initial import drawn, xavier_bound


class AddOnSwin(nn.Module):
    """Vectors added behind the patch embedding, in front of the first stage.

    The paper's released code has this for one vector, and no deep form of it.
    """

    def __init__(
        self, backbone: Backbone, init: str, generator: torch.Generator, *, one_for_all: bool
    ) -> None:
        """Draw the initial vectors.

        Args:
            one_for_all: one vector for all tokens ("add-1") instead of one for each.
        """
        super().__init__()
        self.backbone = backbone
        model = _swin(backbone)
        rows, columns = (1, 1) if one_for_all else model.patch_embed.grid_size
        width = backbone.layer_dims[0]
        bound = xavier_bound(model.patch_embed, width)
        shape = (rows, columns, width)
        self.added = nn.Parameter(drawn(shape, init, generator, low=-bound, high=bound))

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (batch, dim) of preprocessed images."""
        model = _swin(self.backbone)
        x = model.patch_embed(images.to(self.backbone.device, self.backbone.dtype))
        x = model.norm(model.layers(x + self.added.to(x.dtype)))
        features: Tensor = model.forward_head(x, pre_logits=True)
        return features


def _swin(backbone: Backbone) -> SwinTransformer:
    assert isinstance(backbone.model, SwinTransformer)
    return backbone.model
