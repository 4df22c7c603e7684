"""Thresholds of labels, against all that there could be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from facet_vision.training.confidence.class_thresholds import (
    EVEN,
    LEAST_OF_LABEL,
    choose,
    even,
    macro_f1,
    macro_f1_cross_fitted,
)


@given(seed=st.integers(0, 10_000), decimals=st.integers(1, 6), share=st.floats(0.3, 0.7))
def test_no_threshold_has_a_higher_f1(seed: int, decimals: int, share: float) -> None:
    random = np.random.default_rng(seed)
    truth = random.random(60) < share
    probabilities = np.clip(truth * 0.2 + random.random(60) * 0.8, 0, 1).round(decimals)
    (found,) = choose(probabilities[:, None], truth[:, None])
    if min(truth.sum(), (~truth).sum()) < LEAST_OF_LABEL:
        assert found == EVEN
        return
    best = max(
        f1_score(truth, probabilities >= each, zero_division=0) for each in {*probabilities, EVEN}
    )
    assert f1_score(truth, probabilities >= found) == pytest.approx(best)


def test_a_label_with_few_images_keeps_one_half() -> None:
    truth = np.zeros((50, 2), bool)
    truth[: LEAST_OF_LABEL - 1, 0] = truth[:LEAST_OF_LABEL, 1] = True
    assert choose(np.where(truth, 0.3, 0.1), truth) == (EVEN, pytest.approx(0.2))


def test_of_equals_the_nearest_to_one_half_is_taken() -> None:
    truth = np.arange(40) < 20
    probabilities = np.where(truth, 0.9, 0.2)
    assert choose(probabilities[:, None], truth[:, None]) == (pytest.approx(0.55),)
    always = np.where(truth, 0.9, 0.9)  # only all or none can be given it
    assert choose(always[:, None], truth[:, None]) == (pytest.approx(0.45),)


def test_what_is_stated_is_of_images_that_were_not_chosen_by() -> None:
    """Of noise, thresholds seem to gain in hindsight."""
    random = np.random.default_rng(0)
    truth, noise = random.random((200, 3)) < 0.5, random.random((200, 3)) * 0.5
    chosen = macro_f1(noise, truth, choose(noise, truth))
    assert macro_f1_cross_fitted(noise, truth) < chosen
    assert macro_f1(noise, truth, even(truth)) == 0
