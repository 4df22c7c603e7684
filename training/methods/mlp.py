"""MLP head of k linear layers on features of the frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head
from facet_vision.training.recipe import Recipe
from facet_vision.training.seeding import seeded

from .head import linear_head
from .linear import Linear
from .method import copied, layer


class MLP(Linear):
    """Hidden layers: linear, ReLU, batch normalisation, dropout (Jia et al. 2022).

    They are as wide as the feature.
    """

    name = "mlp-k"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.01, "dropout": 0.1}
    uses = frozenset({"dropout"})

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        width = backbone.feature_dim
        dropout = recipe.dropout or 0.0
        hidden = [_hidden(width, dropout, generator) for _ in range(recipe.method_number - 1)]
        self.head = nn.Sequential(*hidden, linear_head(width, classes, generator))

    def written_head(self) -> Head:
        """Return the head in evaluation mode, each normalisation folded into the next layer."""
        mean, scale = copied(self.standardise.mean), copied(self.standardise.scale)
        return Head(tuple(_folded(self.head, 1 / scale, -mean / scale)))


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that accepts a batch of one row, as an epoch's last batch may be.

    Such a batch is normalised by the running statistics.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


def _hidden(width: int, dropout: float, generator: torch.Generator) -> nn.Sequential:
    with seeded(generator):  # for the bias, which keeps torch's own initial values
        linear = nn.Linear(width, width)
    nn.init.normal_(linear.weight, std=(2 / width) ** 0.5, generator=generator)
    return nn.Sequential(linear, nn.ReLU(), BatchNorm(width), nn.Dropout(dropout))


def _folded(head: Any, scale: Tensor, shift: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield weight and bias of each linear layer: W (s h + t) + b is (W s) h + (W t + b).

    Args:
        scale, shift: s and t by which the features were standardised.
    """
    *hidden, last = head
    for linear, _, norm, _ in hidden:
        weight, bias = layer(linear)
        yield weight * scale, bias + weight @ shift
        scale, shift = _scale_and_shift(norm)
    weight, bias = layer(last)
    yield weight * scale, bias + weight @ shift


def _scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """Return s and t, each (width,), of batch normalisation in evaluation mode, s h + t."""
    scale = copied(norm.weight) / (copied(norm.running_var) + norm.eps).sqrt()
    return scale, copied(norm.bias) - scale * copied(norm.running_mean)
