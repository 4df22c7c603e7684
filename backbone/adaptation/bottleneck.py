"""Bottlenecks around a block's MLP.

Behind it as adapters (Houlsby et al. 2019, in the place of Pfeiffer et al. 2020), or beside it as
AdaptFormer (Chen et al. 2022, arXiv 2205.13535).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from .change import Site, add_product, per_row, product


@dataclass(frozen=True, eq=False)
class _Bottleneck:
    """Adds U act(D z + d) + u to y, the output of a block's MLP before the residual is added.

    Attributes:
        down: D, (width, dim).
        down_bias: d, (width,).
        up: U with u as its last column, (dim, width + 1), so that one product adds both.
    """

    down: Tensor
    down_bias: Tensor
    up: Tensor

    @classmethod
    def encode(cls, parts: Mapping[str, Tensor]) -> Self:
        """Make a change of the parts down, down_bias, up and up_bias."""
        up = torch.cat((parts["up"], parts["up_bias"].unsqueeze(1)), dim=1)
        return cls(parts["down"], parts["down_bias"], up)

    @property
    def key(self) -> str:
        """Kind and width."""
        return f"{type(self).__name__.lower()}{len(self.down)}"

    def tensors(self) -> Sequence[Tensor]:
        """Return the weights and biases."""
        return self.down, self.down_bias, self.up

    @staticmethod
    def _add(
        runs: Sequence[tuple["_Bottleneck", int]],
        activation: Callable[[Tensor], Tensor],
        z: Tensor,
        site: Site,
    ) -> Tensor:
        bias = per_row(runs, lambda change: change.down_bias).unsqueeze(1)
        narrow = activation(product(z, per_row(runs, lambda change: change.down)) + bias)
        narrow = F.pad(narrow, (0, 1), value=1.0)
        return add_product(site.y, narrow, per_row(runs, lambda change: change.up), site.out)


class Sequential(_Bottleneck):
    """An adapter: D reads y, the output of the MLP; the activation is GELU."""

    @classmethod
    def apply(cls, runs: Sequence[tuple["Sequential", int]], site: Site) -> Tensor:
        """See `Change.apply`."""
        return cls._add(runs, F.gelu, site.y, site)


class Parallel(_Bottleneck):
    """AdaptFormer's: D reads x, the input of the MLP; the activation is ReLU.

    Its scale s is in U and u.
    """

    @classmethod
    def apply(cls, runs: Sequence[tuple["Parallel", int]], site: Site) -> Tensor:
        """See `Change.apply`."""
        return cls._add(runs, F.relu, site.x, site)
