"""The head of a task: from the pooled feature to class logits."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Classifier(Protocol):
    """What makes class logits of the pooled feature on a device: a `Head`, or neighbours that vote.

    Attributes:
        feature_dim: width of the pooled feature that it reads.
        classes: number of logits per image.
        nbytes: bytes that it takes.
    """

    @property
    def feature_dim(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def __call__(self, features: Tensor, /) -> Tensor:
        """Return logits (batch, classes) of features (batch, feature_dim); dtypes must agree."""
        ...


@dataclass(frozen=True, eq=False)
class Head:
    """Linear layers with ReLU between them; the last one is the classifier.

    Attributes:
        layers: ((weight (out, in), bias (out,)), ...); one pair for a linear head.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def kind(self) -> Literal["linear", "mlp"]:
        """'linear' for one layer, 'mlp' for more."""
        return "linear" if len(self.layers) == 1 else "mlp"

    @cached_property
    def shapes(self) -> tuple[torch.Size, ...]:
        """The shape of each layer's weight; heads of equal shapes can be computed together."""
        return tuple(weight.shape for weight, _ in self.layers)

    @property
    def feature_dim(self) -> int:
        """Width of the pooled feature that the head reads."""
        return self.layers[0][0].shape[1]

    @property
    def classes(self) -> int:
        """Number of logits per image."""
        return self.layers[-1][0].shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes that weights and biases take."""
        return sum(weight.nbytes + bias.nbytes for weight, bias in self.layers)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by their names in a task file."""
        *hidden, last = self.layers
        stems = [*(f"head.{index}" for index in range(len(hidden))), "head"]
        return {
            f"{stem}.{part}": tensor
            for stem, pair in zip(stems, [*hidden, last], strict=True)
            for part, tensor in zip(("weight", "bias"), pair, strict=True)
        }

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "Head":
        """Return the same head on another device or in another dtype; None changes nothing."""
        layers = []
        for weight, bias in self.layers:
            moved_weight = weight.to(device=device, dtype=dtype)
            layers.append((moved_weight, bias.to(device=device, dtype=dtype)))
        return Head(tuple(layers))

    def divided(self, temperature: float | None) -> "Head":
        """Return the head whose logits are those of this one over a temperature; None is 1."""
        if temperature is None:
            return self
        *hidden, (weight, bias) = self.layers
        return Head((*hidden, (weight / temperature, bias / temperature)))

    def __call__(self, features: Tensor) -> Tensor:
        """Return logits (batch, classes) of features (batch, feature_dim); dtypes must agree."""
        *hidden, (weight, bias) = self.layers
        for hidden_weight, hidden_bias in hidden:
            features = F.relu(F.linear(features, hidden_weight, hidden_bias))
        return F.linear(features, weight, bias)
