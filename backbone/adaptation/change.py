"""The seam of all kinds: one change of one task at one site of one layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

Place = tuple[int, str]
"""A layer, from 0, and a site in it: embed, norm1, qkv, proj, norm2, fc1, fc2, block or norm."""

ALL = slice(None)
"""All outputs of a site."""


@dataclass(frozen=True)
class Site:
    """What a change reads and writes: some rows of a batch at one place.

    Attributes:
        x: the site's input, (rows, tokens, in).
        y: its output as it is without the change, (rows, tokens, out).
        part: which of all outputs `y` has.
        out: where to write, may be `y` itself; None for a new tensor.
    """

    x: Tensor
    y: Tensor
    part: slice
    out: Tensor | None


class Change(Protocol):
    """One change of one task at one place; a kind of change is a class of this form.

    Attributes:
        key: its kind and shapes; changes with equal keys are applied to their rows together.
    """

    @property
    def key(self) -> str: ...

    def tensors(self) -> Sequence[Tensor]:
        """Return what it holds."""
        ...

    @classmethod
    def apply(cls, runs: Sequence[tuple[Self, int]], site: Site) -> Tensor:
        """Return the changed output of the site; differentiable where `site.out` is None.

        Args:
            runs: changes with equal keys, and the number of consecutive rows that each belongs to.
        """
        ...


def per_row(runs: Sequence[tuple[Any, int]], tensor: Callable[[Any], Tensor]) -> Tensor:
    """Return a tensor of each row's change, stacked: (rows, ...); (1, ...) where there is one run.

    One call, however many tasks there are: on a GPU the number of launches counts.
    """
    if len(runs) == 1:
        return tensor(runs[0][0]).unsqueeze(0)
    return torch.stack([tensor(change) for change, rows in runs for _ in range(rows)])


def product(x: Tensor, weights: Tensor) -> Tensor:
    """Return x (rows, tokens, in) times the transpose of each row's weights (rows or 1, out, in).

    (rows, tokens, out).
    """
    if len(weights) == 1:
        return torch.nn.functional.linear(x, weights[0])
    return torch.bmm(x, weights.mT)


def add_product(y: Tensor, x: Tensor, weights: Tensor, out: Tensor | None) -> Tensor:
    """Return y + `product(x, weights)`, in one pass over y (rows, tokens, out)."""
    if len(weights) > 1:
        return torch.baddbmm(y, x, weights.mT, out=out)
    flat = None if out is None else out.view(-1, out.shape[-1])
    added = torch.addmm(y.flatten(0, 1), x.flatten(0, 1), weights[0].mT, out=flat)
    return added.view(y.shape)
