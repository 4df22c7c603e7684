"""Random numbers in a range, from an explicit generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def uniform(
    shape: Sequence[int], low: float, high: float, generator: torch.Generator
) -> torch.Tensor:
    """Draw a float32 tensor of that shape, uniform in [low, high)."""
    return low + (high - low) * torch.rand(tuple(shape), generator=generator)


def seeded(*parts: int) -> torch.Generator:
    """Make a generator for a tuple of numbers.

    Equal tuples give equal streams, different ones unrelated streams.
    """
    # The constants are those of SplitMix64 (Steele et al. 2014).
    seed = 0x9E3779B97F4A7C15
    for part in parts:
        seed = ((seed ^ part) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**63
        seed ^= seed >> 29
    return torch.Generator().manual_seed(seed)
