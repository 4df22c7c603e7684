"""Distances from the classes, fitted to the features of training images."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor

from facet_vision.prompts_store import Distance

from .temperature import folds

DIRECTIONS = 32
"""Most directions that have a variance of their own; see docs/unseen."""

LEAST_VARIANCE = 1e-6
"""Of the mean variance of all features; features that vary less are taken to vary so much."""


def fit_distance(features: Tensor, targets: Tensor) -> Distance | None:
    """Return the distance from the classes; None where no class has two images.

    The covariance within classes is shrunk (Ledoit and Wolf 2004), since there may be fewer images
    than features.

    Args:
        features: (images, feature_dim) of the training images, as the head reads them.
        targets: (images,) indices of their classes; every class that occurs gets a mean, in order.
    """
    features = features.double()
    classes, places = targets.unique(return_inverse=True)
    free = len(features) - len(classes)
    if free < 1:
        return None
    means = torch.stack([features[places == place].mean(dim=0) for place in range(len(classes))])
    width = features.shape[1]
    within = LedoitWolf(assume_centered=True).fit((features - means[places]).numpy())
    least = LEAST_VARIANCE * float(features.var(dim=0, correction=0).mean()) + 1e-12
    covariance = torch.from_numpy(np.asarray(within.covariance_)) * len(features) / free
    variances, directions = torch.linalg.eigh(covariance)  # ascending
    variances, count = variances.clamp_min(least), min(DIRECTIONS, width - 1)
    rest = variances[: width - count].mean()
    share = 1 - (rest / variances[width - count :]).sqrt()
    directions = directions[:, width - count :].T * share.sqrt()[:, None]
    unplaced = Distance(directions, means, 1 / (rest * width).sqrt()[None])
    return Distance(directions, unplaced.whitened(means), unplaced.scale).to(dtype=torch.float32)


def cross_validated(features: Tensor, targets: Tensor) -> Tensor:
    """Return for each row its distance from the classes under a distance fitted without it.

    For features that did not learn from these images: of any others, the distances are too small.

    Returns:
        (rows,) float32; rows of folds whose rest has no class with two images are left out.
    """
    found = []
    for rest, rows in folds(len(features)):
        distance = fit_distance(features[rest], targets[rest])
        if distance is not None:
            found.append(distance(features[rows].float()))
    return torch.cat(found) if found else torch.empty(0)
