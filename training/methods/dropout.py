"""Dropout at a fraction of the cost of torch's on a CPU."""

from __future__ import annotations

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
