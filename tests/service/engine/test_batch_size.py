"""The batch size: learned from the cost of forwards, within the target, and worth its wait."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.service.engine.batch_size import (
    MIN_IMAGES,
    THROUGHPUT_SHARE,
    BatchSizer,
    CostMeter,
    batch_sizes,
    round_down,
)

Cost = Callable[[int], float]


def line(fixed: float, per_image: float) -> Cost:
    return lambda images: fixed + per_image * images


def saturate(sizer: BatchSizer, cost: Cost, batches: int = 200) -> list[int]:
    """Run batches while enough rows always wait; return the size of each batch."""
    sizes = []
    for _ in range(batches):
        sizes.append(sizer.next_limit())
        sizer.observe(sizes[-1], cost(sizes[-1]))
    return sizes


def steady(sizes: list[int]) -> int:
    """Return the size that most of the last batches had."""
    return sorted(sizes[-40:])[20]


costs = st.builds(line, st.floats(0.0005, 0.2), st.floats(0.0001, 0.2))


@given(costs, st.floats(0.001, 1.0), st.integers(1, 128))
def test_forwards_stay_within_the_target_once_their_cost_is_known(
    cost: Cost, target: float, most: int
) -> None:
    sizes = saturate(sizer := BatchSizer(most, target), cost)
    assert max(sizes) <= most
    for size in sizes[100:]:
        if size > 2 and cost(size) > target * 1.01:
            # Then it is the smallest that leaves half of the throughput.
            assert (size - 1) / cost(size - 1) <= 0.51 * most / cost(most)
    assert cost(2) <= target or sizer.limit > 1 or sizes[-160:].count(2) <= 10
    if MIN_IMAGES <= sizer.limit < most:
        # And they use it: one more image would exceed it, or would not raise the throughput.
        rate = (sizer.limit + 1) / cost(sizer.limit + 1)
        assert (
            cost(sizer.limit + 1) > target * 0.99
            or rate >= THROUGHPUT_SHARE * most / cost(most) * 0.99
        )


@given(costs, st.integers(MIN_IMAGES, 128))
def test_without_a_target_batches_are_as_large_as_is_worthwhile(cost: Cost, most: int) -> None:
    size = steady(saturate(BatchSizer(most), cost))
    assert size / cost(size) >= THROUGHPUT_SHARE * most / cost(most) * 0.98


def test_large_batches_help_a_gpu_and_not_a_processor() -> None:
    assert steady(saturate(BatchSizer(32), line(0.010, 0.080))) == 4
    assert steady(saturate(BatchSizer(32), line(0.005, 0.0002))) >= 29


def test_a_target_that_cannot_be_met_leaves_half_of_the_throughput() -> None:
    cost = line(0.012, 0.0025)
    size = steady(saturate(BatchSizer(32, 0.015), cost))
    assert 0.5 <= size / cost(size) / (32 / cost(32)) < 0.65


def test_a_target_is_used_although_the_first_image_hardly_fits() -> None:
    assert steady(saturate(BatchSizer(32, 0.0152), line(0.010, 0.0005))) == 10


def test_the_right_size_is_found_within_a_few_forwards() -> None:
    for cost, size in (
        (line(0.010, 0.080), MIN_IMAGES),
        (line(0.004, 0.00175), 18),
        (line(0.005, 0.0002), 29),
    ):
        assert saturate(BatchSizer(32), cost, 8)[-1] == pytest.approx(size, abs=1)


def test_the_first_batch_under_a_target_is_one_image_and_without_one_a_few() -> None:
    assert (BatchSizer(32, 0.1).limit, BatchSizer(32).limit, BatchSizer(2).limit) == (
        1,
        MIN_IMAGES,
        2,
    )


def test_noise_and_pauses_do_not_change_the_size() -> None:
    noise = random.Random(0)

    def cost(images: int) -> float:
        pause = 10 if noise.random() < 0.005 else 1
        return (0.005 + 0.0016 * images) * noise.uniform(0.8, 1.2) * pause

    assert 18 <= steady(saturate(BatchSizer(32), cost, 1000)) <= 32
    assert 13 <= steady(saturate(BatchSizer(32, 0.030), cost, 1000)) <= 18


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_the_size_follows_a_machine_that_becomes_faster_or_slower(factor: float) -> None:
    sizer, worthwhile = BatchSizer(64, 0.06), 15
    saturate(sizer, line(0.004, 0.004))
    assert sizer.limit == pytest.approx(14, abs=1)
    saturate(sizer, line(0.004 * factor, 0.004 * factor), 400)
    assert sizer.limit == pytest.approx(min(worthwhile, 0.06 / (0.004 * factor) - 1), abs=1)


def test_under_constant_load_the_two_parts_of_the_cost_are_still_separated() -> None:
    sizes = saturate(BatchSizer(32, 0.051), line(0.010, 0.005))
    assert set(sizes[-64:]) == {8, 4}
    assert sizes[-64:].count(4) == 4


def test_a_single_size_retains_the_known_fixed_part() -> None:
    meter = CostMeter()
    for images in (1, 2, 4, 8, 16) * 10:
        meter.observe(images, 0.010 + 0.002 * images)
    for _ in range(2000):
        meter.observe(8, 0.010 + 0.002 * 8)
    assert meter.cost is not None
    assert (meter.cost.fixed, meter.cost.per_image) == (
        pytest.approx(0.010, rel=0.05),
        pytest.approx(0.002, rel=0.05),
    )


def test_waits_are_counted_in_full_batches() -> None:
    sizer = BatchSizer(4, 10.0)
    assert (sizer.seconds(100), sizer.wait(100)) == (0.0, 0.0)  # nothing is known yet
    saturate(sizer, line(0.1, 0.1))
    assert sizer.limit == 4
    assert sizer.seconds(9) == pytest.approx(1.5, rel=0.01)
    assert [sizer.wait(ahead) for ahead in (0, 3, 4, 9)] == [
        0,
        0,
        pytest.approx(0.5),
        pytest.approx(1.0),
    ]


def test_sizes_of_forwards() -> None:
    assert batch_sizes(32) == [*range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32]
    assert [round_down(images) for images in (0, 1, 7, 9, 11, 31, 33, 100)] == [
        0,
        1,
        7,
        8,
        10,
        28,
        32,
        96,
    ]


@given(st.integers(1, 10_000))
def test_rounding_leaves_at_most_a_fifth(images: int) -> None:
    assert 0.8 * images <= round_down(images) <= images
    assert round_down(round_down(images)) == round_down(images)


def test_workers_share_what_waits() -> None:
    alone, together = BatchSizer(4), BatchSizer(4, workers=2)
    for sizer in (alone, together):
        for images in (1, 2, 3, 4) * 5:
            sizer.observe(images, 1.0 + images)
    assert together.seconds(16) == pytest.approx(alone.seconds(16) / 2)
    assert together.wait(9) == pytest.approx(alone.wait(4))
