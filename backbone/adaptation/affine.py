"""Scales and shifts of a site's outputs.

SSF (Lian et al. 2022, arXiv 2210.08823), and as shifts alone the changed biases of BitFit
(Zaken et al. 2022, arXiv 2106.10199).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .change import Site, per_row


@dataclass(frozen=True, eq=False)
class Affine:
    """y becomes scale * y + shift.

    Attributes:
        shift: (out,).
        scale: (out,); None for ones.
    """

    shift: Tensor
    scale: Tensor | None = None

    @classmethod
    def encode(cls, bias: Mapping[str, Tensor], ssf: Mapping[str, Tensor]) -> "Affine":
        """Make one change of both kinds: scale * (y + bias) + shift; an empty one is left out."""
        if not ssf:
            return cls(bias["bias"])
        scale, shift = ssf["scale"], ssf["shift"]
        return cls(shift + scale * bias["bias"] if bias else shift, scale)

    @property
    def key(self) -> str:
        """Whether it scales."""
        return "shift" if self.scale is None else "scale"

    def tensors(self) -> Sequence[Tensor]:
        """Return shift and scale."""
        return (self.shift,) if self.scale is None else (self.shift, self.scale)

    @classmethod
    def apply(cls, runs: Sequence[tuple["Affine", int]], site: Site) -> Tensor:
        """See `Change.apply`: one pass over y."""
        shift = per_row(runs, lambda change: change.shift[site.part]).unsqueeze(1)
        if runs[0][0].scale is None:
            return torch.add(site.y, shift, out=site.out)
        scale = per_row(runs, lambda change: change.scale[site.part]).unsqueeze(1)
        return torch.addcmul(shift, site.y, scale, out=site.out)
