"""Neighbours that vote, against a computation image by image."""

from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from facet_vision.prompts_store.instant.neighbours import neighbour_head
from tests.prompts_store.instant.examples import clusters, facts, targets


def _shares(
    features: torch.Tensor, own: list[int], image: torch.Tensor, k: int, scale: float
) -> list[float]:
    """Each label's share of the votes of the k most similar examples, exp(cosine * scale) each.

    A label without one has the vote of an example that is opposite to the most similar one.
    """
    cosines = torch.cosine_similarity(features.double(), image.double()[None]).tolist()
    nearest = sorted(range(len(own)), key=lambda row: -cosines[row])[:k]
    votes = [0.0] * (max(own) + 1)
    for row in nearest:
        votes[own[row]] += exp(cosines[row] * scale)
    votes = [vote or exp((cosines[nearest[0]] - 2) * scale) for vote in votes]
    return [vote / sum(votes) for vote in votes]


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(2, 12),
    st.integers(1, 30),
    st.sampled_from([1 / 0.07, 2.0, 40.0]),
    st.integers(0, 99),
)
def test_votes_are_those_of_the_most_similar(
    counts: list[int], dim: int, k: int, scale: float, seed: int
) -> None:
    features, images = clusters(counts, dim, seed=seed), clusters([6], dim, seed=seed + 1, spread=3)
    head = neighbour_head(features, facts(counts, "knn", scale, k)).to(dtype=torch.float32)
    found = head(images).softmax(1)
    own = targets(counts).tolist()
    expected = torch.tensor([_shares(features, own, image, k, scale) for image in images])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_it_decides_as_scikit_learn() -> None:
    counts = [9, 4, 12]
    features, images = clusters(counts, 8, spread=3), clusters([20] * 3, 8, seed=0, spread=4)
    head = neighbour_head(features, facts(counts, "knn", 1 / 0.07, 7)).to(dtype=torch.float32)
    theirs = KNeighborsClassifier(
        7, metric="cosine", weights=lambda d: torch.tensor(-d).div(0.07).exp().numpy()
    )
    theirs.fit(features.numpy(), targets(counts).numpy())
    assert (theirs.predict(images.numpy()) == head(images).argmax(1).numpy()).all()


@pytest.mark.parametrize("scale", [2.0, 1 / 0.07, 1e4])
def test_labels_without_votes_have_a_finite_logit(scale: float) -> None:
    features = torch.tensor([[1.0, 0], [0, 1.0], [0, 2.0]])
    head = neighbour_head(features, facts([1, 2], "knn", scale, 1)).to(dtype=torch.float32)
    assert (head.feature_dim, head.classes, head.nbytes) == (2, 2, 3 * 2 * 4 + 3 * 8)
    found = head(torch.tensor([[1.0, 0.1], [0.0, 0.0]]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], torch.tensor([0.0, -2 * scale]))


def test_logits_are_logarithms_of_votes() -> None:
    features = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    head = neighbour_head(features, facts([2, 1], "knn", 10.0, 3)).to(dtype=torch.float32)
    found = head(torch.tensor([[2.0, 0]]))[0].tolist()
    assert found == pytest.approx([log(2), -10.0], abs=1e-5)
