"""Training images whose label is doubtful, by what a linear head on the bare features says.

Confident learning (Northcutt et al. 2021, arXiv 1911.00068): a head that has not seen an image
gives it to another class, with at least the probability that images of that class get on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 5
REGULARISATION = 0.01
"""Inverse strength. Features are many and images few: a weaker one makes every answer certain."""


@dataclass(frozen=True)
class Doubt:
    """An image that may have the wrong label.

    Attributes:
        row: of the image.
        suggested: index of the label that the head gives it.
        probability: of its own label.
    """

    row: int
    suggested: int
    probability: float


def doubts(features: NDArray[np.float32], targets: NDArray[np.int64], seed: int) -> list[Doubt]:
    """Return the doubtful images, worst first; none where a class has a single image.

    Args:
        features: (images, feature_dim).
        targets: (images,) label indices, of which each up to the largest occurs.
        seed: of the folds.
    """
    folds = min(FOLDS, int(np.bincount(targets).min()))
    if folds < 2:
        return []
    head = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION, max_iter=1000))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    found = cross_val_predict(head, features, targets, cv=parts, method="predict_proba")
    return _confident(found, targets)


def _confident(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> list[Doubt]:
    labels = probabilities.shape[1]
    usual = np.array([probabilities[targets == label, label].mean() for label in range(labels)])
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    suggested = confident.argmax(axis=1)
    own = probabilities[np.arange(len(targets)), targets]
    rows = np.flatnonzero((confident.max(axis=1) > 0) & (suggested != targets))
    ordered = rows[np.argsort(own[rows], kind="stable")]
    return [Doubt(int(row), int(suggested[row]), float(own[row])) for row in ordered]
