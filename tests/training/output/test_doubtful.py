"""Doubtful labels, and the interval of a share."""

import numpy as np
import pytest

from facet_vision.training.output.doubtful import doubts
from facet_vision.training.output.interval import wilson


def clusters(classes: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features in clusters far from one another, and the label of each."""
    generator = np.random.default_rng(seed)
    targets = np.repeat(np.arange(classes), each)
    centres = 4 * generator.standard_normal((classes, 16))
    features = centres[targets] + generator.standard_normal((len(targets), 16))
    return features.astype(np.float32), targets


def test_wrong_labels_are_found_worst_first() -> None:
    features, targets = clusters(3, 20)
    truth = targets.copy()
    wrong = [3, 25, 47]
    targets[wrong] = (targets[wrong] + 1) % 3
    found = doubts(features, targets, seed=0)
    assert {doubt.row for doubt in found} == set(wrong)
    assert all(doubt.suggested == truth[doubt.row] for doubt in found)
    chances = [doubt.probability for doubt in found]
    assert chances == sorted(chances)
    assert max(chances) < 0.5


def test_right_labels_are_not_doubted() -> None:
    assert doubts(*clusters(3, 20), seed=0) == []


def test_a_class_with_a_single_image_leaves_nothing_to_compare() -> None:
    features, targets = clusters(2, 4)
    assert doubts(features[:5], targets[:5], seed=0) == []


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [  # of Brown, Cai and DasGupta 2001, and by hand
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-4)
