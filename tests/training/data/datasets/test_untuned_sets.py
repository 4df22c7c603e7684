"""The procedural sets on which nothing is chosen: each label is what it says."""

import numpy as np
import pytest

from facet_vision.training.data.datasets.demo_sets import (
    TRAIN,
    canvas,
    overlap,
    stripes,
    symmetry,
)

SQUARE = symmetry.GROUPS["square"]


@pytest.mark.parametrize("label", symmetry.LABELS)
def test_a_pattern_has_the_symmetries_of_its_label_and_no_other(label: str) -> None:
    group = symmetry.GROUPS[label]
    x, y = canvas.rotated(0)
    for seed in range(5):
        plain = _pattern(seed, group, x, y)
        assert (plain.min(axis=0) < 0).sum() > 100  # pixels of marks
        for (a, b), (c, d) in SQUARE:
            turned = _pattern(seed, group, a * x + b * y, c * x + d * y)
            same = np.allclose(plain, turned)
            assert same is (((a, b), (c, d)) in group)


def _pattern(seed: int, group: tuple, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([*symmetry.pattern(np.random.default_rng(seed), group, x, y)])


def test_symmetries_are_groups_and_differ() -> None:
    assert len({frozenset(group) for group in symmetry.GROUPS.values()}) == 8
    for group in symmetry.GROUPS.values():
        products = {tuple(map(tuple, np.array(a) @ np.array(b))) for a in group for b in group}
        assert products == set(group)


def test_stripes_have_the_period_of_their_label() -> None:
    drawn, targets = stripes.STRIPES.generate(80, stream=TRAIN)
    found = [_period(np.asarray(image.decode(), float).mean(axis=2)) for image in drawn]
    by_label = [
        np.median([p for p, t in zip(found, targets, strict=True) if t == k]) for k in range(8)
    ]
    assert by_label == pytest.approx(stripes.PERIODS, rel=0.15)


def _period(grey: np.ndarray) -> float:
    """Return the period with the most power, in pixels; below a sixth of the side."""
    power = np.abs(np.fft.fft2(grey - grey.mean(), s=(256, 256))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    power[frequency < 1 / 28] = 0
    return float(1 / frequency.flat[power.argmax()])


@pytest.mark.parametrize("label", range(len(overlap.LABELS)))
def test_the_last_shape_of_a_pile_covers_a_part_of_each_other(label: int) -> None:
    rng = np.random.default_rng(label)
    kinds = [*overlap.SHAPES.values()]
    *lower, top = (
        each < 0
        for each in overlap.pile_of(rng, [kinds[label - 2], kinds[label - 1], kinds[label]])
    )
    for area in lower:
        assert 0.1 < (area & top).sum() / area.sum() < 0.5
    assert np.hypot(*(np.argwhere(top).mean(axis=0) - canvas.SIZE / 2)) > 2  # not in the middle
