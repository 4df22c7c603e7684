"""Prompts as tokens in front of the patches.

The paper's own location; the only one that has the switches of depth and pooling.
"""

from __future__ import annotations

from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.variants.depth import propagates, reach_the_end
from facet_vision.training.variants.pooling import check_pooling, pool
from facet_vision.training.variants.prompts import PromptTokens
from facet_vision.training.variants.tokens import embed, run, vision_transformer


class Prepend(nn.Module):
    """Prompt tokens, in the prefix form where that is exact, else as tokens."""

    def __init__(self, backbone: Backbone, prompts: PromptTokens, pooling: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.prompts = prompts
        self.pooling = pooling
        model = vision_transformer(backbone)
        check_pooling(model, reach_the_end(prompts.actions), pooling)

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (batch, dim) of preprocessed images."""
        if self.is_prefix and not self.prompts.differ_by_image:
            return self.in_prefix_form(images)
        return self.in_tokens(images)

    @property
    def is_prefix(self) -> bool:
        """Whether the prefix form is exact.

        It is where only the prompts' keys and values are read.
        """
        same = self.pooling == "backbone" or (
            self.pooling == "cls" and self.backbone.pooling == "token"
        )
        return same and not propagates(self.prompts.actions)

    def in_prefix_form(self, images: Tensor) -> Tensor:
        """Return features by the backbone's own prompted forward.

        Layers without prompts get a prefix of no tokens.
        """
        empty = self.prompts.prompts[0].new_zeros(0, self.backbone.layer_dims[0])
        prompts = [empty if prompt is None else prompt for prompt in self.prompts(len(images))]
        return self.backbone.features(images, prompts)

    def in_tokens(self, images: Tensor) -> Tensor:
        """Return features with the prompts concatenated as tokens, which is always exact."""
        model = vision_transformer(self.backbone)
        x = embed(model, images.to(self.backbone.device, self.backbone.dtype))
        found = self.prompts(len(images))
        prompts = [None if prompt is None else prompt.to(x.dtype) for prompt in found]
        return pool(model, *run(model, x, prompts), self.pooling)
