"""The seam behind which every method stands: what is trainable, how the forward changes, what is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head
from facet_vision.training.data.images import Inputs
from facet_vision.training.native_precision import settled
from facet_vision.training.precision import computing_in
from facet_vision.training.recipe import Recipe


class Method(nn.Module, ABC):
    """A way to adapt a frozen backbone to one task; those of its parameters that need a gradient are what it trains.

    A new method subclasses this, sets `name`, and overrides the parts in which it differs. The shared backbone is
    never changed: a method that trains its weights or puts layers into it does so on a copy (`OwnBackbone`).

    Attributes:
        name: as in the recipe; "-k" at its end stands for "-" and a number.
        extracts: it computes the features of the training images once, before the training.
        served: what it learns fits in a task file, to be served from the shared backbone.
        defaults: values of the recipe that suit this method.
        uses: those of `recipe.METHOD_FIELDS` that it reads.
    """

    name: ClassVar[str]
    extracts: ClassVar[bool] = False
    served: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {}
    uses: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        """Create the parameters.

        Args:
            generator: the only source of randomness, a CPU generator.
        """
        super().__init__()
        self.backbone, self.recipe = backbone, settled(recipe, backbone)
        self.head: nn.Module = linear_head(backbone.feature_dim, classes, generator)

    def frozen_part(self, images: Tensor) -> Tensor:
        """What of the forward does not change in training, of a batch of preprocessed images."""
        return images

    def prepare(self, images: Inputs) -> Inputs:
        """The rows that `features` gets: what `frozen_part` makes of the images, computed once where that can be."""
        return images

    @abstractmethod
    def features(self, inputs: Tensor) -> Tensor:
        """Pooled features (batch, feature_dim) of a batch of prepared inputs; differentiable."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        with computing_in(self.recipe.precision, self.backbone.device):
            features = self.features(inputs)
        logits: Tensor = self.head(features.float())
        return logits

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by name; the head's names begin with "head."."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def undecayed(self) -> set[str]:
        """Names of what is trained without weight decay: biases, gains of norms, single numbers."""
        return {name for name, parameter in self.trained().items() if parameter.ndim < 2}

    def written_prompts(self) -> tuple[Tensor, ...]:
        """The prompts that the task file holds, in float32 on the CPU."""
        return ()

    def written_head(self) -> Head:
        """The head that the task file holds, in float32 on the CPU."""
        return Head((layer(self.head),))

    def learned(self) -> dict[str, Tensor]:
        """All that training changes, by name, as it is: the whole state but the frozen weights."""
        frozen = {
            name for name, parameter in self.named_parameters() if not parameter.requires_grad
        }
        return {name: value for name, value in self.state_dict().items() if name not in frozen}

    def written_tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds, in float32 on the CPU: all that training changed."""
        return {name: copied(value) for name, value in self.learned().items()}


def linear_head(features: int, classes: int, generator: torch.Generator) -> nn.Linear:
    """Kaiming-normal weights (fan out, gain sqrt 2), zero bias; the initialisation of Jia et al. 2022."""
    head = nn.Linear(features, classes)
    nn.init.normal_(head.weight, std=(2 / classes) ** 0.5, generator=generator)
    nn.init.zeros_(head.bias)
    return head


def layer(linear: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer as the task file's head holds them."""
    return copied(linear.get_parameter("weight")), copied(linear.get_parameter("bias"))


def copied(parameter: Tensor) -> Tensor:
    return parameter.detach().to("cpu", torch.float32).clone()
