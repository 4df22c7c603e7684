"""Learning-rate schedule of the paper's recipe: warm-up, then a cosine."""

import pytest

from facet_vision.training.fitting.schedule import rate_factor, steps_per_epoch
from facet_vision.training.recipe import make_recipe

RECIPE = make_recipe({"data": "x", "task": "x", "lr": 0.4, "batch_size": 8}, {})


def test_rate_rises_from_above_zero_then_falls_like_a_cosine() -> None:
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] > 0
    assert factors[:11] == sorted(factors[:11])
    assert max(factors) == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[55] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.001


def test_short_runs_have_a_rate_too() -> None:
    assert rate_factor(0, 1, 0.1) == 1
    assert rate_factor(0, 2, 0.9) > 0


def test_an_epoch_has_a_smaller_step_for_the_remaining_rows() -> None:
    assert [steps_per_epoch(rows, RECIPE) for rows in (1, 8, 9)] == [1, 1, 2]
