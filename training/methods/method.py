"""Interface of every method: trained parameters, forward, written tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head, InstantHead
from facet_vision.training.data.images import Inputs, compute_rows
from facet_vision.training.errors import TrainingError
from facet_vision.training.precision import computing_in, resolve_precision
from facet_vision.training.recipe import FITTING_FIELDS, Recipe

from .head import Standardise, linear_head, set_to_probe

HEAD_FIELDS = frozenset({"head_init", "standardise"})
"""Fields of the recipe that every linear head on features reads."""


class Method(nn.Module, ABC):
    """A way to adapt a frozen backbone to one task.

    It trains those of its parameters that need a gradient. A new method subclasses this, sets
    `name`, and overrides the parts in which it differs. The shared backbone is never changed: a
    method that trains its weights or adds layers to it works on a copy (`OwnBackbone`).

    Attributes:
        name: as in the recipe; "-k" at its end stands for "-" and a number.
        extracts: the features of the training images are computed once, before the training.
        served: the learned tensors fit in a task file, to be served from the shared backbone.
        defaults: values of the recipe that suit this method.
        uses: those of `recipe.METHOD_FIELDS` that it reads.
    """

    name: ClassVar[str]
    extracts: ClassVar[bool] = False
    served: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {}
    uses: ClassVar[frozenset[str]] = HEAD_FIELDS

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        """Create the parameters.

        Args:
            generator: the only source of randomness, a CPU generator.
        """
        super().__init__()
        if not (backbone.layer_dims or self.extracts):
            raise TrainingError(
                f"method: expected linear, mlp-k, ncm, knn or lda, since {backbone.name!r} takes "
                f"no prompts and adaptations, found {recipe.method!r}"
            )
        self.check(recipe)
        # a Backbone is no nn.Module, so its weights are not parameters of the method
        self.backbone = backbone
        self.recipe = resolve_precision(recipe, backbone)
        start = recipe.head_init
        self.head: nn.Module = linear_head(backbone.feature_dim, classes, generator, start)
        self.standardise: nn.Module = nn.Identity()
        if recipe.standardise:
            self.standardise = Standardise(backbone.feature_dim)

    @classmethod
    def reads(cls) -> frozenset[str]:
        """Return the fields of a recipe that it reads and not every method does."""
        return cls.uses | FITTING_FIELDS

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Refuse a value that this method cannot use, as far as it shows without a backbone.

        Raises:
            TrainingError: there is one.
        """

    def frozen_part(self, images: Tensor) -> Tensor:
        """Compute the part of the forward that training does not change, of preprocessed images."""
        return images

    def prepare(self, images: Inputs) -> Inputs:
        """Return the inputs of `features`: the images' frozen part, computed once if possible."""
        return images

    def begin(self, inputs: Inputs, targets: Tensor, generator: torch.Generator) -> None:
        """Set what the training images decide before the first step.

        Args:
            inputs: prepared training images.
            targets: (images,) label indices, or (images, labels) zeros and ones.
            generator: the only source of randomness.
        """
        del generator
        if not self.recipe.standardise and self.recipe.head_init != "probe":
            return
        self.eval()
        features = compute_rows(lambda batch: self.features(batch).float(), inputs)
        if isinstance(self.standardise, Standardise):
            self.standardise.measure(features)
        if self.recipe.head_init == "probe":
            set_to_probe(self.head, self.standardise.cpu()(features), targets)
            self.standardise.to(self.backbone.device)

    @abstractmethod
    def features(self, inputs: Tensor) -> Tensor:
        """Compute the pooled features (batch, feature_dim) of prepared inputs; differentiable."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the logits (batch, classes)."""
        with computing_in(self.recipe.precision, self.backbone.device):
            features = self.features(inputs)
        logits: Tensor = self.head(self.standardise(features.float()))
        return logits

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters by name; the head's names begin with "head."."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def undecayed(self) -> set[str]:
        """Return the names trained without weight decay: biases, gains of norms, single numbers."""
        return {name for name, parameter in self.trained().items() if parameter.ndim < 2}

    def rate(self, name: str) -> float:
        """Return a trained parameter's learning rate as a multiple of the recipe's `lr`."""
        del name
        return 1.0

    def written_prompts(self) -> tuple[Tensor, ...]:
        """Return the prompts for the task file, in float32 on the CPU."""
        return ()

    def written_parts(self) -> dict[str, Tensor]:
        """Return what else changes the forward, for the task file: by name, float32, on the CPU."""
        return {}

    def written_head(self) -> Head | InstantHead:
        """Return the head for the task file, in float32 on the CPU."""
        weight, bias = layer(self.head)
        if isinstance(self.standardise, Standardise):
            weight, bias = self.standardise.folded(weight, bias)
        return Head(((weight, bias),))

    def learned(self) -> dict[str, Tensor]:
        """Return all that training changes, by name: the whole state without the frozen weights.

        The tensors are not copied.
        """
        frozen = {
            name for name, parameter in self.named_parameters() if not parameter.requires_grad
        }
        return {name: value for name, value in self.state_dict().items() if name not in frozen}

    def written_tensors(self) -> dict[str, Tensor]:
        """Return the tensors for a checkpoint, all that training changed, in float32 on the CPU."""
        return {name: copied(value) for name, value in self.learned().items()}


def layer(linear: nn.Module) -> tuple[Tensor, Tensor]:
    """Return copies of a linear layer's weight and bias, in float32 on the CPU."""
    return copied(linear.get_parameter("weight")), copied(linear.get_parameter("bias"))


def copied(parameter: Tensor) -> Tensor:
    """Return a copy without gradient, in float32 on the CPU."""
    return parameter.detach().to("cpu", torch.float32).clone()
