"""Prompts as tokens in front of the patches: the paper's own place, with every switch of depth and pooling."""

from __future__ import annotations

from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.ablation.depth import propagates, reach_the_end
from facet_vision.training.ablation.pooling import check_pooling, pool
from facet_vision.training.ablation.prompts import PromptTokens
from facet_vision.training.ablation.tokens import embed, run, vision_transformer


class Prepend(nn.Module):
    def __init__(self, backbone: Backbone, prompts: PromptTokens, pooling: str) -> None:
        super().__init__()
        self.backbone, self.prompts, self.pooling = backbone, prompts, pooling
        model = vision_transformer(backbone)
        check_pooling(model, reach_the_end(prompts.actions), pooling)

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features (batch, dim) of preprocessed images."""
        if self.is_prefix and not self.prompts.differ_by_image:
            return self.in_prefix_form(images)
        return self.in_tokens(images)

    @property
    def is_prefix(self) -> bool:
        """Whether keys and values of the prompts are all that is read of them: then the prefix form is exact."""
        same = self.pooling == "backbone" or (
            self.pooling == "cls" and self.backbone.pooling == "token"
        )
        return same and not propagates(self.prompts.actions)

    def in_prefix_form(self, images: Tensor) -> Tensor:
        """Layers without prompts get a prefix of no tokens."""
        empty = self.prompts.prompts[0].new_zeros(0, self.backbone.layer_dims[0])
        prompts = [empty if prompt is None else prompt for prompt in self.prompts(len(images))]
        return self.backbone.features(images, prompts)

    def in_tokens(self, images: Tensor) -> Tensor:
        model = vision_transformer(self.backbone)
        x = embed(model, images.to(self.backbone.device, self.backbone.dtype))
        prompts = [
            None if prompt is None else prompt.to(x.dtype) for prompt in self.prompts(len(images))
        ]
        return pool(model, *run(model, x, prompts), self.pooling)
