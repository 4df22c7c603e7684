"""How well features tell classes apart, as numbers; measured in the feature space, which no projection bends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from facet_vision.training.errors import TrainingError


@dataclass(frozen=True)
class Separation:
    """Two views of the same question.

    Attributes:
        silhouette: mean over images of (b - a) / max(a, b), a and b the mean distances to the own and to the nearest
            other class (Rousseeuw 1987); from -1 to 1.
        neighbours: share of images whose k nearest others vote for their class.
        k: of `neighbours`.
    """

    silhouette: float
    neighbours: float
    k: int

    def __str__(self) -> str:
        return (
            f"silhouette {self.silhouette:.2f}, {self.k}-NN accuracy {100 * self.neighbours:.1f} %"
        )


def separation(features: np.ndarray, targets: np.ndarray, k: int) -> Separation:
    """Measure features (images, feature_dim) with labels (images,).

    Raises:
        TrainingError: there are too few images or classes.
    """
    classes = len(np.unique(targets))
    if not 1 < classes < len(targets):
        raise TrainingError(
            f"images: expected more than one class and several images of one, found {classes} classes"
        )
    if not 0 < k < len(targets):
        raise TrainingError(
            f"neighbours: expected a number from 1 to {len(targets) - 1}, found {k}"
        )
    # without images of its own to predict, scikit-learn leaves each of the known ones out in turn
    votes = KNeighborsClassifier(k).fit(features, targets).score(None, targets)
    return Separation(float(silhouette_score(features, targets)), float(votes), k)
