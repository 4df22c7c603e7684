"""Thresholds of distances keep what they state."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store.confidence.keeping import LEAST_SCORES, SHARE, keeping


@given(st.integers(LEAST_SCORES, 400), st.integers(0, 10_000))
def test_a_further_image_is_kept_with_at_least_the_stated_probability(
    count: int, seed: int
) -> None:
    """Of n + 1 exchangeable distances each is as likely the further one; so count over all."""
    drawn = np.random.default_rng(seed).standard_cauchy(count + 1)
    kept = sum(
        drawn[one] <= threshold
        for one in range(count + 1)
        if (threshold := keeping(np.delete(drawn, one))) is not None
    )
    assert kept / (count + 1) >= SHARE
    assert kept / (count + 1) <= SHARE + 1 / (count + 1) + 1e-9


@pytest.mark.parametrize("count", range(LEAST_SCORES))
def test_too_few_say_nothing(count: int) -> None:
    assert keeping(np.zeros(count)) is None


def test_the_least_number_keeps_all_of_its_own() -> None:
    assert keeping(np.arange(float(LEAST_SCORES))) == LEAST_SCORES - 1
