"""Labelled images and their targets."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from facet_vision.backbone import ImageError
from facet_vision.training.data.datasets import Encoded, Examples, TaskData
from tests.training.support.pictures import colour_of, encoded, picture


def test_images_from_memory_files_and_bytes(tmp_path: Path) -> None:
    stored = [
        Image.new("RGB", (2, 2), "red"),
        picture(tmp_path / "a.png", "blue"),
        Encoded(encoded("lime")),
    ]
    examples = Examples(stored, [0, 1, 2])
    assert [colour_of(examples.image(row)) for row in range(3)] == [
        (255, 0, 0),
        (0, 0, 255),
        (0, 255, 0),
    ]
    with pytest.raises(ImageError):
        Encoded(b"no image").decode()


def test_targets_as_tensors() -> None:
    single = TaskData(Examples([None] * 3, [2, 0, 1]), Examples([], []), ("a", "b", "c"), "x")
    assert single.targets(single.train).tolist() == [2, 0, 1]
    several = TaskData(
        Examples([None] * 3, [(0, 2), (), (1,)]),
        Examples([], []),
        ("a", "b", "c"),
        "x",
        multi_label=True,
    )
    rows = several.targets(several.train)
    assert rows.dtype == torch.float32
    assert rows.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert (several.names((0, 2)), several.names(()), single.names(1)) == ("a+c", "", "b")
