"""Contract of every procedural demo set."""

import numpy as np
import pytest

from facet_vision.training.data.datasets.demo_sets import DEMO_SETS, TEST, TRAIN
from facet_vision.training.data.datasets.demo_sets.canvas import SIZE

pytestmark = pytest.mark.parametrize("name", DEMO_SETS)


def _pixels(name: str, count: int, stream: int) -> np.ndarray:
    images, _ = DEMO_SETS[name].generate(count, stream=stream)
    return np.stack([np.asarray(image.decode()) for image in images])


def test_images_are_rgb_squares_with_contrast(name: str) -> None:
    drawn, _ = DEMO_SETS[name].generate(20, stream=TRAIN)
    images = [each.decode() for each in drawn]
    assert {(image.mode, image.size) for image in images} == {("RGB", (SIZE, SIZE))}
    assert min(np.asarray(image).std() for image in images) > 3


def test_labels_are_balanced_and_shuffled(name: str) -> None:
    demo = DEMO_SETS[name]
    _, targets = demo.generate(5 * len(demo.labels), stream=TRAIN)
    assert sorted(targets) == sorted(list(range(len(demo.labels))) * 5)
    assert targets != sorted(targets)


def test_same_stream_gives_same_images(name: str) -> None:
    np.testing.assert_array_equal(_pixels(name, 8, TRAIN), _pixels(name, 8, TRAIN))


def test_streams_share_no_image(name: str) -> None:
    train, test = _pixels(name, 8, TRAIN), _pixels(name, 8, TEST)
    assert not any((a == b).all() for a in train for b in test)


def test_labels_can_name_files(name: str) -> None:
    assert all(label.isascii() and "/" not in label for label in DEMO_SETS[name].labels)
