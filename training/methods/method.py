"""The seam behind which every method stands: what is trainable, how the forward changes, what is written."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from backbone import Backbone
from prompts_store import Head
from training.images import Inputs
from training.precision import computing_in
from training.recipe import Recipe


class Method(nn.Module):
    """A way to adapt a frozen backbone to one task; its parameters are what it trains, head included.

    A new method subclasses this, sets `name`, and overrides the parts in which it differs.

    Attributes:
        name: as in the recipe and the task file.
        defaults: values of the recipe that suit this method.
        unused: fields of the recipe that mean nothing to it.
    """

    name: ClassVar[str]
    defaults: ClassVar[dict[str, Any]] = {}
    unused: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator) -> None:
        """Create the parameters.

        Args:
            generator: the only source of randomness, a CPU generator.
        """
        super().__init__()
        self.backbone, self.recipe = backbone, recipe
        self.head = linear_head(backbone.feature_dim, classes, generator)

    def prepare(self, images: Inputs) -> Inputs:
        """Compute once what does not change in training; its rows are what `features` gets."""
        return images

    def features(self, inputs: Tensor) -> Tensor:
        """Pooled features (batch, feature_dim) of a batch of prepared inputs; differentiable."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        with computing_in(self.recipe.precision, self.backbone.device):
            features = self.features(inputs)
        logits: Tensor = self.head(features.float())
        return logits

    def written_prompts(self) -> tuple[Tensor, ...]:
        """The prompts that the task file holds, in float32 on the CPU."""
        return ()

    def written_head(self) -> Head:
        """The head that the task file holds, in float32 on the CPU."""
        return Head(((copied(self.head.weight), copied(self.head.bias)),))


def linear_head(features: int, classes: int, generator: torch.Generator) -> nn.Linear:
    """Kaiming-normal weights (fan out, gain sqrt 2), zero bias; the initialisation of Jia et al. 2022."""
    head = nn.Linear(features, classes)
    nn.init.normal_(head.weight, std=(2 / classes) ** 0.5, generator=generator)
    nn.init.zeros_(head.bias)
    return head


def copied(parameter: Tensor) -> Tensor:
    return parameter.detach().to("cpu", torch.float32).clone()
