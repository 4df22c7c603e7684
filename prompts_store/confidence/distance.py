"""How far a feature is from the classes of a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from .threshold import PARTS, PREFIX


@dataclass(frozen=True, eq=False)
class Distance:
    """Mahalanobis distance to the nearest class mean, under one covariance of all classes.

    Lee et al. 2018 (arXiv 1807.03888). The covariance has some directions of large variance v_i and
    one variance v of all others, as in probabilistic principal component analysis (Tipping and
    Bishop 1999), so that few numbers state it. It is divided by the root of the feature's width:
    around 1 for images like those that it was fitted to, whatever the backbone.

    Attributes:
        directions: (directions, feature_dim): the i-th is a unit vector times the root of
            1 - root(v / v_i).
        means: (classes, feature_dim), as `whitened` gives them.
        scale: (1,), 1 / root(v feature_dim).
    """

    directions: Tensor
    means: Tensor
    scale: Tensor

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self | None:
        """Return what a file's tensors say of it; None for nothing."""
        if f"{PREFIX}{PARTS[0]}" not in tensors:
            return None
        return cls(*(tensors[f"{PREFIX}{part}"] for part in PARTS))

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by their names in a file."""
        return {f"{PREFIX}{part}": getattr(self, part) for part in PARTS}

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "Distance":
        """Return the same on another device or in another dtype; None changes nothing."""
        moved = (each.to(device=device, dtype=dtype) for each in self.tensors().values())
        return Distance(*moved)

    def whitened(self, features: Tensor) -> Tensor:
        """Return features (rows, feature_dim) where every direction varies alike within classes."""
        along = features @ self.directions.T
        return (features - along @ self.directions) * self.scale

    def __call__(self, features: Tensor) -> Tensor:
        """Return the distances (rows,) of features (rows, feature_dim); dtypes must agree."""
        # By a product of matrices, of few classes too: with a thousand it is tens of times as fast.
        mode = "use_mm_for_euclid_dist"
        return torch.cdist(self.whitened(features), self.means, compute_mode=mode).amin(dim=1)
