"""Prompt tokens of the layers.

Each layer has a set of its own, or all share one; projected where they are of another width, with
dropout in training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facet_vision.training.seeding import seeded

from .depth import Action


class PromptTokens(nn.Module):
    """Sets of prompts and which layer uses which.

    Attributes:
        prompts: one (tokens, width) per set; the width is the layers' or that of the projection.
        actions: for each layer the number of its set, or what happens to the prompts there.
    """

    def __init__(
        self,
        initial: Sequence[Tensor],
        actions: Sequence[Action],
        projection: nn.Linear | None,
        dropout: float,
    ) -> None:
        """Take the initial prompts of each set.

        Args:
            projection: from the prompts' width to the layers', used by all sets; None where they
                are the same.
            dropout: share of numbers that are dropped in training, behind the projection and for
                each image anew.
        """
        super().__init__()
        self.prompts = nn.ParameterList(initial)
        self.actions = tuple(actions)
        self.projection = projection or nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: int) -> list[Tensor | None]:
        """Return the prompts of each layer as `tokens.run` takes them, for a batch of images.

        Args:
            images: number of images in the batch.
        """
        return [self._of_layer(action, images) for action in self.actions]

    @property
    def differ_by_image(self) -> bool:
        """Whether images of one batch get different prompts."""
        return self.training and self.dropout.p > 0

    def _of_layer(self, action: Action, images: int) -> Tensor | None:
        if action == "keep":
            return None
        if action == "drop":
            return self.projection(self.prompts[0][:0])  # no tokens, of the layers' width
        prompt: Tensor = self.projection(self.prompts[action])
        if self.differ_by_image:
            prompt = self.dropout(prompt.expand(images, -1, -1))
        return prompt


def make_projection(width: int, layer_width: int, generator: torch.Generator) -> nn.Linear:
    """Make the layer from the prompts' width to the layers' width.

    Kaiming-normal weight (fan out) and torch's initial bias, as in the paper.
    """
    with seeded(generator):
        projection = nn.Linear(width, layer_width)
    nn.init.kaiming_normal_(projection.weight, mode="fan_out", generator=generator)
    return projection
