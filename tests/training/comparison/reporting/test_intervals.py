"""Confidence intervals of means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facet_vision.training.comparison.reporting.intervals import Interval, of_mean, of_means

VALUES = st.lists(st.floats(-1, 1).map(lambda value: round(value, 6)), min_size=2, max_size=8)


def test_of_one_mean_by_hand() -> None:
    found = of_mean([1, 2, 3])
    assert found is not None
    half = 4.302653 / 3**0.5  # the quantile of two degrees of freedom; the sample deviation is 1
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))


def test_of_means_of_strata_by_hand() -> None:
    found = of_means([[0, 2], [101, 103]])
    assert found is not None
    # Variances of 2, two values and two strata; the distance between these does not matter.
    half = 4.302653 * 0.5**0.5
    assert (found.low, found.high) == pytest.approx((51.5 - half, 51.5 + half))


def test_a_stratum_that_does_not_spread_adds_neither_variance_nor_certainty() -> None:
    alone, beside = of_mean([0, 2]), of_means([[0, 2], [5, 5]])
    assert alone is not None
    assert beside is not None
    assert beside.high - beside.low == pytest.approx((alone.high - alone.low) / 2)


@pytest.mark.parametrize("strata", [[], [[1.0]], [[1.0, 2.0], [1.0]]])
def test_no_interval_where_the_spread_is_unknown(strata: list[list[float]]) -> None:
    assert of_means(strata) is None


@pytest.mark.parametrize(
    ("interval", "sign"),
    [
        ((0.1, 0.2), 1),
        ((-0.2, -0.1), -1),
        ((-0.1, 0.1), 0),
        ((0.0, 0.1), 0),
        ((1e-12, 1e-12), 0),
        ((0.1, 0.1), 1),
    ],
)
def test_a_side_of_zero(interval: tuple[float, float], sign: int) -> None:
    assert Interval(*interval).sign == sign


@settings(max_examples=40)
@given(VALUES)
def test_of_one_mean_against_scipy(values: list[float]) -> None:
    found = of_mean(values)
    assert found is not None
    if len(set(values)) > 1:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    else:
        assert (found.low, found.high) == pytest.approx((values[0], values[0]))


@settings(max_examples=40)
@given(st.lists(VALUES, min_size=1, max_size=5), st.floats(-3, 3))
def test_moving_and_turning_values_moves_and_turns_the_interval(
    strata: list[list[float]], shift: float
) -> None:
    found, moved, turned = (
        of_means([[sign * value + by for value in values] for values in strata])
        for sign, by in ((1, 0.0), (1, shift), (-1, 0.0))
    )
    assert found is not None
    assert moved is not None
    assert turned is not None
    assert found.low <= found.high
    assert (moved.low, moved.high) == pytest.approx(
        (found.low + shift, found.high + shift), abs=1e-6
    )
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
