"""Sample images."""

from pathlib import Path

import numpy as np
from PIL import Image

from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.output.samples import save_samples


def _data(labels: tuple[str, ...], targets: list[int]) -> TaskData:
    images = [Image.new("RGB", (4, 4), (index, 0, 0)) for index in range(len(targets))]
    return TaskData(Examples([], []), Examples(images, targets), labels, "test")


def test_first_image_of_labels_spread_over_all(tmp_path: Path) -> None:
    data = _data(tuple("abcdef"), [5, 4, 3, 2, 1, 0, 0, 2, 4])
    paths = save_samples(data, tmp_path / "new", 3)
    assert [path.name for path in paths] == ["a-5.png", "c-3.png", "e-1.png"]
    assert np.asarray(Image.open(paths[1]))[0, 0].tolist() == [3, 0, 0]


def test_names_are_safe_and_absent_labels_are_skipped(tmp_path: Path) -> None:
    data = _data(("a", "b/../c d"), [1, 1])
    assert [path.name for path in save_samples(data, tmp_path)] == ["b_.._c_d-0.png"]
