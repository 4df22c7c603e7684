"""How far an image is from the classes of an instant task, and how far it may be.

Nothing of it is stored but the threshold: a server makes the distance of the examples. It is that
of linear discriminant analysis to the nearest mean, whatever head the examples make.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from facet_vision.prompts_store.confidence.distance import Distance
from facet_vision.prompts_store.confidence.keeping import SHARE, keeping
from facet_vision.prompts_store.confidence.threshold import Threshold

from .linear import Statistics, centred, ledoit_wolf, variance, varies
from .scale import judged

LEAST_SQUARE = 1e-12
"""Of the largest variance; examples do not vary along a direction with a smaller one."""


def distance_of(features: Tensor, counts: Sequence[int]) -> Distance | None:
    """Return the distance in float64 on the CPU; None where examples of a label do not vary.

    Args:
        features: (examples, feature_dim), label by label.
        counts: of the examples of each label.
    """
    rows = features.detach().cpu().double()
    means, residuals = centred(rows, counts)
    if not varies(residuals, rows):
        return None
    count, width = residuals.shape
    shrinkage = ledoit_wolf(residuals)
    rest = shrinkage * variance(residuals)
    squares, axes = _principal(residuals)
    share = 1 - (rest / (rest + (1 - shrinkage) * squares / count)).sqrt()
    directions = axes * share.sqrt()[:, None]
    scale = torch.tensor([(rest * width) ** -0.5], dtype=torch.float64)
    unplaced = Distance(directions, means, scale)
    return Distance(directions, unplaced.whitened(means), scale)


def threshold_of(features: Tensor, counts: Sequence[int]) -> Threshold | None:
    """Return the largest distance that gets a label, of examples that are left out one by one.

    None where examples of a label do not vary, or too few share one with another.
    """
    rows, alone = judged(counts)
    spread = Statistics.of("lda", features.detach().cpu(), counts)
    if alone or spread.factor is None:
        return None
    squares = -2 * spread.left_out(rows).amax(1)
    value = keeping((squares / features.shape[1]).clamp_min(0).sqrt().tolist())
    if value is None:
        return None
    return Threshold(
        score="distance", value=value, share=SHARE, images=len(rows), source="leave-one-out"
    )


def _principal(residuals: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared singular values (k,) and the right singular vectors (k, feature_dim)."""
    few = len(residuals) < residuals.shape[1]
    gram = residuals @ residuals.T if few else residuals.T @ residuals
    squares, vectors = torch.linalg.eigh(gram)
    kept = squares > LEAST_SQUARE * squares[-1]
    squares, vectors = squares[kept], vectors[:, kept]
    if not few:
        return squares, vectors.T
    return squares, (vectors.T @ residuals) / squares.sqrt()[:, None]
