"""Temperature scaling: the number that logits are divided by so that probabilities are believable.

Guo et al. 2017 (arXiv 1706.04599), section 4.2. It is above 0, so it changes no order of labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from facet_vision.training.objectives import is_multi_label

LEAST, MOST = 0.1, 10.0
"""Bounds of a temperature."""

FOLDS = 5
"""Parts of the images of which each gets a temperature that was fitted to the others."""


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature with the least mean negative log-likelihood, in [LEAST, MOST].

    The targets are smoothed as if one image more had been seen, of whose label nothing is known
    (Platt 1999 does so for two classes). Otherwise a task that is right about every one of a few
    images would become infinitely sure of itself.

    Args:
        logits: (images, labels), of images that were not learned from.
        targets: (images,) indices; or (images, labels) zeros and ones, of which each is a binary
            answer with a likelihood of its own.
    """
    loss = _loss(logits.double(), targets)
    # convex in the inverse temperature, so there is one minimum
    found = minimize_scalar(
        lambda log: loss(math.exp(-log)), bounds=(math.log(LEAST), math.log(MOST)), method="bounded"
    )
    return float(f"{math.exp(found.x):.4g}")


def cross_fitted(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the logits, each row divided by a temperature that was fitted without it.

    What is measured on them is not measured on images that were fitted to.
    """
    divided = torch.empty_like(logits)
    for rest, rows in folds(len(logits)):
        divided[rows] = logits[rows] / fit_temperature(logits[rest], targets[rest])
    return divided


def folds(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each of FOLDS random parts of `count` rows, the rest and the part."""
    order = np.random.default_rng(0).permutation(count)
    for part in np.array_split(order, FOLDS):
        yield torch.from_numpy(np.setdiff1d(order, part)), torch.from_numpy(np.sort(part))


def negative_log_likelihood(logits: Tensor, targets: Tensor) -> float:
    """Return the mean over images, or over images and labels where an image has several."""
    if is_multi_label(targets):
        return float(F.binary_cross_entropy_with_logits(logits.double(), targets.double()))
    return float(F.cross_entropy(logits.double(), targets))


def _loss(logits: Tensor, targets: Tensor) -> Callable[[float], float]:
    """Return the likelihood's function of the inverse temperature.

    It is the mean of log Z(b f) - b (t f), and the second product does not depend on b.
    """
    unknown = 1 / (len(logits) + 1)
    if is_multi_label(targets):
        wanted = (1 - unknown) * targets.double() + unknown / 2
        gain = float((wanted * logits).mean())
        return lambda inverse: float(F.softplus(inverse * logits).mean()) - inverse * gain
    own = logits.gather(1, targets[:, None]).mean()
    gain = float((1 - unknown) * own + unknown * logits.mean())
    return lambda inverse: float((inverse * logits).logsumexp(-1).mean()) - inverse * gain
