"""Drawing helpers of the demo sets."""

import numpy as np
import pytest

from facet_vision.training.data.datasets.demo_sets import canvas


@pytest.mark.parametrize("seed", range(20))
def test_contrasting_colours_differ_in_luminance(seed: int) -> None:
    first, second = canvas.contrasting(np.random.default_rng(seed), 0.35)
    assert abs(canvas.luminance(first) - canvas.luminance(second)) > 0.2


def test_segment_distance_is_euclidean() -> None:
    distance = canvas.segment_distance(np.array([[[10.5, 20.5], [30.5, 20.5]]]))
    assert distance[20, 15] == pytest.approx(0)
    assert distance[24, 15] == pytest.approx(4)
    assert distance[24, 7] == pytest.approx(5)


def test_rotated_axes_turn_with_the_angle() -> None:
    along, across = canvas.rotated(np.pi / 2, (32, 32))
    x, y = canvas.coordinates()
    np.testing.assert_allclose(along, y - 32, atol=1e-9)
    np.testing.assert_allclose(across, 32 - x, atol=1e-9)


def test_smooth_noise_stays_in_range() -> None:
    noise = canvas.smooth_noise(np.random.default_rng(0), 5)
    assert noise.shape == (canvas.SIZE, canvas.SIZE)
    assert 0 <= noise.min() < noise.max() <= 1
