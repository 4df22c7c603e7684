"""Distances from examples, against the formula that they stand for, and thresholds by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from facet_vision.prompts_store import Distance, InstantHead, TaskFile
from facet_vision.prompts_store.confidence.keeping import LEAST_SCORES
from facet_vision.prompts_store.instant.distance import distance_of, threshold_of
from facet_vision.prompts_store.instant.facts import INSTANT_KINDS, InstantKind
from facet_vision.prompts_store.instant.linear import ledoit_wolf
from tests.prompts_store.instant.examples import clusters, instant_file, targets


def by_hand(features: Tensor, counts: tuple[int, ...], queries: Tensor) -> Tensor:
    """Mahalanobis distances over the root of the width, with every matrix written out."""
    width = features.shape[1]
    means = torch.stack([own.mean(0) for own in features.split(counts)])
    residuals = features - means[targets(counts)]
    shrinkage = ledoit_wolf(residuals)
    covariance = (1 - shrinkage) * residuals.T @ residuals / len(residuals)
    covariance += shrinkage * residuals.square().mean() * torch.eye(width)
    away = queries[:, None] - means
    squares = torch.einsum("qcd,de,qce->qc", away, covariance.inverse(), away)
    return (squares / width).sqrt().amin(1)


@given(
    seed=st.integers(0, 1000),
    width=st.integers(2, 12),
    counts=st.lists(st.integers(2, 7), min_size=1, max_size=4),
)
def test_it_is_the_distance_under_the_shrunk_covariance(
    seed: int, width: int, counts: list[int]
) -> None:
    """With fewer examples than features and with more."""
    features = clusters(counts, width, seed=seed).double()
    queries = 3 * torch.randn(5, width, generator=torch.Generator().manual_seed(seed)).double()
    distance = distance_of(features, counts)
    assert distance is not None
    expected = by_hand(features, tuple(counts), queries)
    torch.testing.assert_close(distance(queries), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [4, 60])
def test_the_threshold_is_that_of_examples_left_out(width: int) -> None:
    counts = (10, 12, 9)
    features = clusters(counts, width, seed=1).double()
    found = threshold_of(features, counts)
    assert found is not None
    assert (found.source, found.images, found.share) == ("leave-one-out", 31, 0.95)
    left_out = []
    for row, label in enumerate(targets(counts).tolist()):
        rest = torch.cat([features[:row], features[row + 1 :]])
        fewer = tuple(count - (index == label) for index, count in enumerate(counts))
        left_out.append(float(by_hand(rest, fewer, features[row : row + 1])))
    # the shrinkage stays what it is with all examples, so nearly
    assert found.value == pytest.approx(sorted(left_out)[-1], rel=0.1)
    distance = distance_of(features, counts)
    assert distance is not None
    assert found.value > float(distance(features).amax())  # of examples that are not left out


@pytest.mark.parametrize("dim", [8, 100])
def test_it_keeps_images_like_the_examples_and_no_others(dim: int) -> None:
    """Of 30 examples of each of three labels, fewer than features and more."""
    counts = (230,) * 3
    drawn = clusters(counts, dim, seed=3)
    parts = [own.split([30, 200]) for own in drawn.split(counts)]
    known, later = (torch.cat(each) for each in zip(*parts, strict=True))
    threshold, distance = threshold_of(known, (30,) * 3), distance_of(known, (30,) * 3)
    assert threshold is not None
    assert distance is not None
    served = distance.to(dtype=torch.float32)
    assert 0.9 < float((served(later) <= threshold.value).float().mean()) < 0.99
    elsewhere = clusters((200,), dim, seed=4)
    assert float((served(elsewhere) <= threshold.value).float().mean()) < 0.05


def test_too_little_to_know() -> None:
    alone = clusters((1,) * 30, 4)
    assert threshold_of(alone, (1,) * 30) is None
    few = (LEAST_SCORES - 1,)
    assert threshold_of(clusters(few, 4), few) is None
    assert threshold_of(clusters((LEAST_SCORES, 1), 4), (LEAST_SCORES, 1)) is not None
    same = torch.ones(30, 4)
    assert distance_of(same, (30,)) is None
    assert threshold_of(same, (30,)) is None


@pytest.mark.parametrize("kind", INSTANT_KINDS)
def test_a_file_states_the_threshold_and_keeps_no_tensors_for_it(kind: InstantKind) -> None:
    plain = instant_file(kind, (12, 12))
    assert isinstance(plain.head, InstantHead)
    assert plain.far() is None
    stated = instant_file(kind, (12, 12), threshold=plain.head.threshold())
    again = TaskFile.from_bytes(stated.to_bytes())
    assert again.distance is None
    assert again.tensors().keys() == plain.tensors().keys()
    assert isinstance(again.far(), Distance)
    assert again.manifest.threshold == stated.manifest.threshold


def test_a_temperature_beside_a_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature: expected none with the head 'knn'"):
        instant_file("knn", temperature=2.0)
