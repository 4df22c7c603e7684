"""Dropout at a fraction of what torch's costs on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 2**16


class Dropout(nn.Dropout):
    """Draws sixteen random bits for each number, so that the share dropped is p to within 1 / 2^17."""

    def forward(self, x: Tensor) -> Tensor:
        dropped = round(self.p * LEVELS)
        if not (self.training and 0 < dropped < LEVELS and x.device.type == "cpu"):
            return super().forward(x)
        return torch.where(_bits(x) < dropped - LEVELS // 2, 0.0, x * (LEVELS / (LEVELS - dropped)))


def _bits(x: Tensor) -> Tensor:
    """Uniform 16-bit integers in the shape of x; a 64-bit draw gives four of them."""
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[: x.numel()].view(x.shape)
