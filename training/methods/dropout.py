"""Dropout of numbers, at a fraction of the cost of torch's on a CPU, and of residual branches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

LEVELS = 2**16
"""Number of values of a 16-bit integer."""


class Dropout(nn.Dropout):
    """Dropout that draws sixteen random bits for each number; the share is p to within 1 / 2^17."""

    def forward(self, x: Tensor) -> Tensor:
        dropped = round(self.p * LEVELS)
        if not (self.training and 0 < dropped < LEVELS and x.device.type == "cpu"):
            return super().forward(x)
        scaled = x * (LEVELS / (LEVELS - dropped))  # preserves the mean
        return torch.where(_bits(x) < dropped - LEVELS // 2, 0.0, scaled)


def _bits(x: Tensor) -> Tensor:
    """Draw uniform 16-bit integers in the shape of x; a 64-bit draw gives four of them."""
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[: x.numel()].view(x.shape)


@contextmanager
def stochastic_depth(model: Any, rate: float, rows: int) -> Iterator[None]:
    """Drop residual branches of whole images in the forward of a frozen timm network.

    Huang et al. 2016 (arXiv 1603.09382), with a rate that grows linearly with depth, as in timm.
    The network itself is not changed: hooks act while the block runs.

    Args:
        rate: share that is dropped in the last layer; 0 does nothing.
        rows: images in the batch.
    """
    if not rate:
        yield
        return
    layers = [module for module in model.modules() if hasattr(module, "drop_path1")]
    hooks = []
    for depth, layer in enumerate(layers):
        kept = 1.0 - rate * depth / max(1, len(layers) - 1)
        for branch in (layer.drop_path1, layer.drop_path2):
            hooks.append(branch.register_forward_hook(_hook(kept, rows)))
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


def _hook(kept: float, rows: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    return lambda _module, _inputs, branch: _dropped(branch, kept, rows)


def _dropped(branch: Tensor, kept: float, rows: int) -> Tensor:
    """Drop the branch of some rows, and scale that of the others up."""
    mask = torch.empty(rows, 1, 1, dtype=branch.dtype, device=branch.device)
    mask.bernoulli_(kept).div_(kept)
    return (branch.view(rows, -1, branch.shape[-1]) * mask).view(branch.shape)
