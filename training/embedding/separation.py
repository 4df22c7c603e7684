"""Separation of classes in the feature space.

Measured before any projection, which would distort it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from facet_vision.training.errors import TrainingError


@dataclass(frozen=True)
class Separation:
    """Two measures of how well features separate classes.

    Attributes:
        silhouette: mean over images of (b - a) / max(a, b), a and b the mean distances to the own
            and to the nearest other class (Rousseeuw 1987); from -1 to 1.
        neighbours: share of images whose k nearest neighbours vote for their class.
        k: of `neighbours`.
    """

    silhouette: float
    neighbours: float
    k: int

    def __str__(self) -> str:
        neighbours = f"{self.k}-NN accuracy {100 * self.neighbours:.1f} %"
        return f"silhouette {self.silhouette:.2f}, {neighbours}"


def separation(features: np.ndarray, targets: np.ndarray, k: int) -> Separation:
    """Measure features (images, feature_dim) with labels (images,).

    Raises:
        TrainingError: there are too few images or classes.
    """
    classes = len(np.unique(targets))
    if not 1 < classes < len(targets):
        raise TrainingError(
            "images: expected more than one class and several images of one, "
            f"found {classes} classes"
        )
    if not 0 < k < len(targets):
        raise TrainingError(
            f"neighbours: expected a number from 1 to {len(targets) - 1}, found {k}"
        )
    # Without images to predict, scikit-learn leaves each of the fitted ones out in turn.
    votes = KNeighborsClassifier(k).fit(features, targets).score(None, targets)
    silhouette = silhouette_score(features, targets)
    return Separation(float(silhouette), float(votes), k)
