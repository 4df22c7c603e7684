"""The head of a task: what turns the pooled feature into class logits."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Head:
    """Linear layers with ReLU between them; the last one is the classifier.

    layers: ((weight (out, in), bias (out,)), ...); one pair for a linear head.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def kind(self) -> str:
        """'linear' for one layer, 'mlp' for more."""
        return "linear" if len(self.layers) == 1 else "mlp"

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

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "Head":
        """The same head on another device or in another dtype; None keeps what it is."""
        return Head(
            tuple(
                (weight.to(device=device, dtype=dtype), bias.to(device=device, dtype=dtype))
                for weight, bias in self.layers
            )
        )

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (batch, classes) for pooled features (batch, feature_dim); dtypes must agree."""
        *hidden, (weight, bias) = self.layers
        for hidden_weight, hidden_bias in hidden:
            features = F.relu(F.linear(features, hidden_weight, hidden_bias))
        return F.linear(features, weight, bias)
