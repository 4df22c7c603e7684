"""Fitted distances: of the images that they are for, and of others."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from facet_vision.training.confidence.distance import (
    DIRECTIONS,
    cross_validated,
    fit_distance,
)


def gaussian(seed: int, per_class: int, width: int = 40, classes: int = 3) -> tuple:
    """Features of classes that vary alike, in some directions more; and their targets."""
    random = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(99)
    spread = 0.1 + 3 * torch.rand(width, generator=fixed) ** 4
    means = 2 * torch.randn(classes, width, generator=fixed)
    targets = torch.arange(classes).repeat_interleave(per_class)
    noise = torch.randn(len(targets), width, generator=random)
    return means[targets] + noise * spread, targets


@given(seed=st.integers(0, 500), width=st.integers(2, 50), per_class=st.integers(2, 30))
def test_it_is_the_distance_under_the_shrunk_covariance(
    seed: int, width: int, per_class: int
) -> None:
    features, targets = gaussian(seed, per_class, width)
    found = fit_distance(features, targets)
    assert found is not None
    means = torch.stack([features[targets == each].mean(0) for each in range(3)]).double()
    within = features.double() - means[targets]
    covariance = LedoitWolf(assume_centered=True).fit(within.numpy()).covariance_
    values, vectors = np.linalg.eigh(covariance * len(features) / (len(features) - 3))
    count = min(DIRECTIONS, width - 1)
    values[: width - count] = values[: width - count].mean()
    precision = torch.from_numpy(vectors @ np.diag(1 / values) @ vectors.T)
    away = features.double()[:, None] - means
    expected = (((away @ precision) * away).sum(-1) / width).sqrt().amin(-1)
    torch.testing.assert_close(found(features).double(), expected, rtol=1e-3, atol=2e-3)


def test_of_further_images_it_is_around_one_and_of_others_it_is_not() -> None:
    made = fit_distance(*gaussian(0, 200))
    assert made is not None
    later, _ = gaussian(1, 200)
    assert 0.6 < float(made(later).mean()) < 1.4
    elsewhere = later + 2 * torch.randn(40, generator=torch.Generator().manual_seed(5))
    assert float(made(elsewhere).mean()) > 3


def test_cross_validation_gives_what_further_images_have() -> None:
    features, targets = gaussian(0, 12)
    made = fit_distance(features, targets)
    assert made is not None
    later = float(made(gaussian(1, 400)[0]).mean())
    own, validated = float(made(features).mean()), cross_validated(features, targets)
    assert len(validated) == len(features)
    assert own < later
    assert abs(float(validated.mean()) - later) < abs(own - later)


def test_features_that_do_not_vary_are_no_fault() -> None:
    targets = torch.tensor([0, 0, 1, 1])
    same = torch.tensor([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    for features in (same, torch.zeros(4, 2), same * 1e4):
        made = fit_distance(features, targets)
        assert made is not None
        assert made(features).isfinite().all()
        assert all(tensor.isfinite().all() for tensor in made.tensors().values())


def test_without_two_images_of_a_class_there_is_none() -> None:
    assert fit_distance(torch.randn(3, 4), torch.arange(3)) is None
    assert fit_distance(torch.randn(4, 4), torch.tensor([0, 1, 2, 2])) is not None
    assert len(cross_validated(torch.randn(5, 4), torch.arange(5))) == 0
