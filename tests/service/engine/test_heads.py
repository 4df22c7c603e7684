"""Heads computed together score as each alone."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facet_vision.backbone import Adaptation
from facet_vision.prompts_store import Distance, Head
from facet_vision.service.engine import heads
from facet_vision.service.engine.resident import Resident, WithDistance
from tests.service.support.app import small_backbone, task_file

SMALL = small_backbone()


def _resident(name: str, labels: int, hidden: int | None, activation: str, seed: int) -> Resident:
    """Return a task without prompts whose head has random weights.

    `hidden` is the width of a layer before the classifier.
    """
    random = torch.Generator().manual_seed(seed)
    widths = [SMALL.feature_dim, *([hidden] if hidden else []), labels]
    layers = [
        (torch.randn(after, before, generator=random), torch.randn(after, generator=random))
        for before, after in itertools.pairwise(widths)
    ]
    file = task_file(
        SMALL, name, labels=[f"c{index}" for index in range(labels)], activation=activation
    )
    return Resident(file.manifest, 1, Adaptation(), Head(tuple(layers)))


TASK = st.tuples(
    st.sampled_from([2, 3]),
    st.sampled_from([None, 4]),
    st.sampled_from(["softmax", "sigmoid", "none"]),
    st.integers(1, 3),
)


@pytest.mark.parametrize("most", [0, heads.STACKED_BYTES])
@settings(max_examples=60)
@given(tasks=st.lists(TASK, min_size=1, max_size=9), seed=st.integers(0, 1000))
def test_together_they_score_as_each_alone(most: int, tasks: list, seed: int) -> None:
    shares = [
        (
            _resident(f"t{index}", labels, hidden, activation, seed + index),
            torch.randn(rows, SMALL.feature_dim),
        )
        for index, (labels, hidden, activation, rows) in enumerate(tasks)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "STACKED_BYTES", most)
        found = heads.answers(shares)
    for (resident, features), scores in zip(shares, found, strict=True):
        expected = heads.activate(resident.activation, resident.head(features))
        torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-5)


def test_distances_stand_behind_the_scores_of_those_that_are_asked_for_them() -> None:
    plain = _resident("pets", 3, 4, "softmax", 0)
    distance = Distance(torch.zeros(1, 32), torch.randn(3, 32), torch.ones(1))
    resident = Resident(plain.manifest, 1, Adaptation(), plain.head, distance)
    assert resident.nbytes == plain.nbytes + distance.nbytes
    features = torch.randn(2, SMALL.feature_dim)
    asked = WithDistance(resident, "softmax")
    scores, both = heads.answers([(resident, features), (asked, features)])
    torch.testing.assert_close(both[:, :3], scores)
    torch.testing.assert_close(both[:, 3], distance(features))


def test_the_number_of_products_does_not_grow_with_the_tasks() -> None:
    def products(count: int) -> int:
        shares = [
            (_resident(f"t{seed}", 3, 4, "softmax", seed), torch.randn(1, SMALL.feature_dim))
            for seed in range(count)
        ]
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            heads.answers(shares)
        return sum(
            event.count
            for event in profile.key_averages()
            if event.key in ("aten::addmm", "aten::baddbmm")
        )

    assert products(2) == products(30) == 2
