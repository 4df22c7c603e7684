"""Learning-rate schedule of the recipe of Jia et al. 2022 (arXiv 2203.12119)."""

from __future__ import annotations

import math

from facet_vision.training.recipe import Recipe


def rate_factor(step: int, total: int, warmup: float) -> float:
    """Return the share of the peak learning rate in a step.

    The rate rises linearly, never from zero, then follows half a cosine towards zero.

    Args:
        step: counted from 0.
        total: number of steps of the fitting.
        warmup: share of the steps in which the rate rises.
    """
    rising = round(total * warmup)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def steps_per_epoch(rows: int, recipe: Recipe) -> int:
    """Return the number of batches of an epoch; the last one may be smaller."""
    return math.ceil(rows / recipe.batch_size)
