"""Prompts as a frame of pixels around the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.variants.initial import drawn
from facet_vision.training.variants.pooling import pool
from facet_vision.training.variants.tokens import embed, run, vision_transformer


class Pad(nn.Module):
    """A frame of `pixels` on every side, at the input only.

    Top and bottom extend over the whole new width, left and right are between them. The values are
    those of an image, initially from 0 to 1, and normalised in each forward as images are. The
    patch embedding cuts off what does not fill a patch; position embeddings are resized to the new
    grid.
    """

    def __init__(
        self, backbone: Backbone, pixels: int, init: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.backbone = backbone
        _, height, width = backbone.input_size
        # Both sides in one tensor. Rows are drawn first, which decides the values of a seed.
        rows = drawn((3, 2 * pixels, width + 2 * pixels), init, generator, low=0, high=1)
        columns = drawn((3, height, 2 * pixels), init, generator, low=0, high=1)
        self.rows = nn.Parameter(rows)
        self.columns = nn.Parameter(columns)

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (batch, dim) of preprocessed images."""
        model = vision_transformer(self.backbone)
        x = embed(model, self.framed(images.to(self.backbone.device, self.backbone.dtype)))
        return pool(model, *run(model, x, [None] * len(model.blocks)), "backbone")

    def framed(self, images: Tensor) -> Tensor:
        """Return images in their frame, (batch, 3, height + 2 pixels, width + 2 pixels)."""
        top, bottom = self._halves(self.rows, 1, images)
        left, right = self._halves(self.columns, 2, images)
        return torch.cat((top, torch.cat((left, images, right), dim=3), bottom), dim=2)

    def _halves(self, pixels: Tensor, dim: int, images: Tensor) -> list[Tensor]:
        mean = pixels.new_tensor(self.backbone.mean)[:, None, None]
        std = pixels.new_tensor(self.backbone.std)[:, None, None]
        halves = ((pixels - mean) / std).to(images.dtype).chunk(2, dim=dim)
        return [half.expand(len(images), -1, -1, -1) for half in halves]
