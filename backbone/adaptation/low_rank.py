"""Low-rank pairs beside a linear layer: LoRA (Hu et al. 2022, arXiv 2106.09685)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from .change import Site, add_product, per_row, product


@dataclass(frozen=True, eq=False)
class LowRank:
    """W x + b becomes W x + b + B A x.

    Attributes:
        a: (rank, in).
        b: (out, rank), with LoRA's factor alpha / rank in it.
    """

    a: Tensor
    b: Tensor

    @classmethod
    def encode(cls, parts: Mapping[str, Tensor]) -> "LowRank":
        """Make a change of the parts a and b."""
        return cls(parts["a"], parts["b"])

    @property
    def key(self) -> str:
        """Kind and rank."""
        return f"lora{len(self.a)}"

    def tensors(self) -> Sequence[Tensor]:
        """Return both factors."""
        return self.a, self.b

    @classmethod
    def apply(cls, runs: Sequence[tuple["LowRank", int]], site: Site) -> Tensor:
        """See `Change.apply`: two thin products, the second of which adds to y."""
        low = product(site.x, per_row(runs, lambda change: change.a))
        b = per_row(runs, lambda change: change.b[site.part])
        return add_product(site.y, low, b, site.out)
