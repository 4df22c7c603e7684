"""Linear heads against scikit-learn, and left-out examples against heads made without them."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid
from torch import Tensor

from facet_vision.prompts_store.instant.linear import (
    LEAST_SHRINKAGE,
    Statistics,
    ledoit_wolf,
    linear_head,
)
from tests.prompts_store.instant.examples import clusters, facts, targets

COUNTS = st.lists(st.integers(1, 9), min_size=2, max_size=6)


def _logits(kind: str, counts: Sequence[int], features: Tensor, images: Tensor) -> Tensor:
    head = linear_head(kind, features, facts(counts, kind)).to(dtype=torch.float32)
    return head(images).double()


def _residuals(counts: Sequence[int], features: Tensor) -> Tensor:
    parts = features.double().split(list(counts))
    return torch.cat([part - part.mean(0) for part in parts])


@settings(max_examples=30)
@given(COUNTS, st.integers(1, 12), st.integers(0, 99))
def test_nearest_mean_decides_as_scikit_learn(counts: list[int], dim: int, seed: int) -> None:
    features, images = clusters(counts, dim, seed=seed), clusters([5] * len(counts), dim, seed=seed)
    found = _logits("ncm", counts, features, images)
    means = torch.stack([part.double().mean(0) for part in features.split(counts)])
    squares = torch.cdist(images.double(), means).square()
    expected = (-squares / 2).log_softmax(1)
    torch.testing.assert_close(found.log_softmax(1), expected, atol=1e-4, rtol=1e-5)
    # its own spread is of no use to it, and undefined where no label has two examples
    if max(counts) > 1:
        theirs = NearestCentroid().fit(features.numpy(), targets(counts).numpy())
        near = squares.sort(1).values
        clear = (near[:, 1] - near[:, 0]) > 1e-3
        assert (theirs.predict(images.numpy()) == found.argmax(1).numpy())[clear.numpy()].all()


@settings(max_examples=30)
@given(st.integers(2, 5), st.integers(2, 12), st.integers(1, 10), st.integers(0, 99))
def test_discriminant_analysis_is_that_of_scikit_learn(
    labels: int, each: int, dim: int, seed: int
) -> None:
    counts = [each] * labels
    features, images = clusters(counts, dim, seed=seed), clusters([4] * labels, dim, seed=seed + 1)
    shrinkage = ledoit_wolf(_residuals(counts, features))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    theirs.fit(features.double().numpy(), targets(counts).numpy())
    expected = torch.from_numpy(theirs.predict_proba(images.double().numpy()))
    found = _logits("lda", counts, features, images).softmax(1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_labels_are_equally_likely_however_many_examples_they_have() -> None:
    counts = [30, 5, 12]
    features, images = clusters(counts, 6, spread=2), clusters([9] * 3, 6, seed=1)
    shrinkage = ledoit_wolf(_residuals(counts, features))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    theirs.fit(features.double().numpy(), targets(counts).numpy())
    priors = torch.tensor(counts) / sum(counts)
    found = (_logits("lda", counts, features, images) + priors.log()).softmax(1)
    expected = torch.from_numpy(theirs.predict_proba(images.double().numpy()))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@settings(max_examples=30)
@given(COUNTS, st.integers(1, 12), st.integers(0, 99))
def test_shrinkage_is_that_of_scikit_learn(counts: list[int], dim: int, seed: int) -> None:
    counts = [count + 1 for count in counts]
    residuals = _residuals(counts, clusters(counts, dim, seed=seed))
    expected = ledoit_wolf_shrinkage(residuals.numpy(), assume_centered=True)
    if dim == 1:  # there the covariance is a multiple of the identity
        assert ledoit_wolf(residuals) in (1.0, LEAST_SHRINKAGE)
    else:
        assert ledoit_wolf(residuals) == pytest.approx(max(expected, LEAST_SHRINKAGE), abs=1e-9)


@pytest.mark.parametrize("kind", ["ncm", "lda"])
def test_without_variation_within_labels_the_nearest_mean_decides(kind: str) -> None:
    features, images = clusters([1, 1, 1], 5), clusters([4, 4, 4], 5, seed=1)
    found = _logits(kind, [1, 1, 1], features, images)
    torch.testing.assert_close(found, _logits("ncm", [1, 1, 1], features, images))
    twice = features.repeat_interleave(2, dim=0)
    torch.testing.assert_close(_logits(kind, [2, 2, 2], twice, images), found)


@pytest.mark.parametrize("kind", ["ncm", "lda"])
@pytest.mark.parametrize("counts", [[1], [4], [1, 1]])
def test_heads_of_the_fewest_examples_are_finite(kind: str, counts: list[int]) -> None:
    features = clusters(counts, 5)
    assert _logits(kind, counts, features, clusters([3], 5)).isfinite().all()


@settings(max_examples=20)
@given(st.lists(st.integers(2, 9), min_size=2, max_size=5), st.integers(0, 99))
def test_left_out_of_nearest_means_is_a_head_without_the_example(
    counts: list[int], seed: int
) -> None:
    features = clusters(counts, 5, seed=seed).double()
    rows = torch.arange(len(features))
    found = Statistics.of("ncm", features, counts).left_out(rows)
    for row in rows.tolist():
        own = int(targets(counts)[row])
        less = [count - (label == own) for label, count in enumerate(counts)]
        others = features[rows != row]
        expected = _logits("ncm", less, others, features[[row]].float())
        torch.testing.assert_close(
            found[[row]].log_softmax(1), expected.log_softmax(1), atol=1e-4, rtol=1e-4
        )


@settings(max_examples=20)
@given(st.lists(st.integers(2, 9), min_size=2, max_size=5), st.integers(0, 99))
def test_left_out_of_discriminant_analysis_is_the_distance_without_the_example(
    counts: list[int], seed: int
) -> None:
    """With the same shrinkage and the same multiple of the identity, as documented."""
    features = clusters(counts, 4, seed=seed).double()
    own, rows = targets(counts), torch.arange(len(features))
    found = Statistics.of("lda", features, counts).left_out(rows)
    residuals = _residuals(counts, features)
    shrinkage = ledoit_wolf(residuals)
    target = shrinkage * residuals.square().mean() * torch.eye(4, dtype=torch.float64)
    for row in rows.tolist():
        kept = rows != row
        means = torch.stack(
            [features[kept & (own == label)].mean(0) for label in range(len(counts))]
        )
        rest = features[kept] - means[own[kept]]
        covariance = (1 - shrinkage) * rest.T @ rest / len(features) + target
        away = features[row] - means
        expected = -(away @ covariance.inverse() * away).sum(1) / 2
        torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=1e-6)
