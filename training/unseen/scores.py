"""Scores of an image: the higher, the more it looks like those of the known classes.

`probability`: that of the best label (Hendrycks and Gimpel 2017, arXiv 1610.02136).
`energy`: the negative free energy, log sum exp of the logits (Liu et al. 2020, arXiv 2010.03759).
`cosine`: to the nearest class mean, of features from which the mean of all is taken away.
`mahalanobis`: negative squared distance to the nearest class mean under one covariance of all
classes (Lee et al. 2018, arXiv 1807.03888), here shrunk (Ledoit and Wolf 2004), since there are
about as many images as features.

The first two are also taken of logits that are divided by a fitted temperature, as a server has
them. Of the last there are two forms that need fewer numbers: `diagonal`, a variance for each
feature, and `rank 32`, which task files have (`prompts_store.Distance`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor

from facet_vision.prompts_store import Distance
from facet_vision.training.confidence.distance import DIRECTIONS, fit_distance


@dataclass(frozen=True)
class Seen:
    """What a task computes of some images.

    Attributes:
        features: (images, feature_dim), as the head reads them.
        logits: (images, classes).
    """

    features: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Known:
    """What the training images tell of the classes, and the fitted temperature.

    Attributes:
        centre: mean of all features, (feature_dim,).
        means: of the features of each class, (classes, feature_dim).
        covariance: within classes, (feature_dim, feature_dim).
        distance: the smaller form of the distance.
        temperature: what logits are divided by where they are to be calibrated.
    """

    centre: Tensor
    means: Tensor
    covariance: Tensor
    distance: Distance
    temperature: float

    @classmethod
    def of(cls, features: Tensor, targets: Tensor, temperature: float) -> Known:
        """Return what features (images, feature_dim) with targets (images,) tell."""
        features = features.double()
        classes = range(int(targets.max()) + 1)
        means = torch.stack([features[targets == index].mean(dim=0) for index in classes])
        within = LedoitWolf(assume_centered=True).fit((features - means[targets]).numpy())
        covariance = torch.from_numpy(within.covariance_)
        distance = fit_distance(features, targets)
        assert distance is not None, "the covariance has been fitted"
        return cls(features.mean(dim=0), means, covariance, distance, temperature)


def _probability(seen: Seen, _: Known) -> Tensor:
    return seen.logits.softmax(-1).amax(-1)


def _calibrated_probability(seen: Seen, known: Known) -> Tensor:
    return (seen.logits / known.temperature).softmax(-1).amax(-1)


def _energy(seen: Seen, _: Known) -> Tensor:
    return seen.logits.logsumexp(-1)


def _calibrated_energy(seen: Seen, known: Known) -> Tensor:
    return (seen.logits / known.temperature).logsumexp(-1)


def _cosine(seen: Seen, known: Known) -> Tensor:
    features = F.normalize(seen.features.double() - known.centre, dim=-1)
    means = F.normalize(known.means - known.centre, dim=-1)
    return (features @ means.T).amax(-1)


def _mahalanobis(seen: Seen, known: Known) -> Tensor:
    return _nearest(seen, known, known.covariance.inverse())


def _diagonal(seen: Seen, known: Known) -> Tensor:
    return _nearest(seen, known, (1 / known.covariance.diagonal()).diag())


def _of_low_rank(seen: Seen, known: Known) -> Tensor:
    return -known.distance(seen.features)


def _nearest(seen: Seen, known: Known, precision: Tensor) -> Tensor:
    away = seen.features.double()[:, None] - known.means
    return -((away @ precision) * away).sum(-1).amin(-1)


SCORES: dict[str, Callable[[Seen, Known], Tensor]] = {
    "probability": _probability,
    "probability, calibrated": _calibrated_probability,
    "energy": _energy,
    "energy, calibrated": _calibrated_energy,
    "cosine": _cosine,
    "mahalanobis": _mahalanobis,
    "mahalanobis, diagonal": _diagonal,
    f"mahalanobis, rank {DIRECTIONS}": _of_low_rank,
}
"""The candidates by name; each returns (images,)."""


def score(name: str, seen: Seen, known: Known) -> NDArray[np.float64]:
    """Return the candidate's score of each image, (images,)."""
    return SCORES[name](seen, known).double().numpy()
