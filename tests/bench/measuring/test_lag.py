"""The lag of an event loop between two readings of its histogram."""

from math import inf

import pytest

from facet_vision.bench.measuring.lag import late_at_most


@pytest.mark.parametrize(("share", "bound"), [(0.5, 0.001), (0.9, 0.001), (0.99, 0.01), (1.0, inf)])
def test_only_what_was_counted_in_between_counts(share: float, bound: float) -> None:
    before = {0.001: 500.0, 0.01: 500.0, inf: 500.0}
    after = {0.001: 595.0, 0.01: 599.0, inf: 600.0}
    assert late_at_most(before, after, share) == bound


def test_nothing_counted_is_no_lag() -> None:
    assert late_at_most({0.001: 1.0, inf: 1.0}, {0.001: 1.0, inf: 1.0}, 1.0) == 0.001
    assert late_at_most({}, {}, 1.0) == 0.0
