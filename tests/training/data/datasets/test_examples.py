"""Labelled images and their targets."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from facet_vision.backbone import ImageError
from facet_vision.training.data.datasets import Encoded, Examples, Origin, TaskData
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


class Decoded:
    """An image of a source that keeps no file of it."""

    def decode(self, enough: int | None = None) -> Image.Image:  # noqa: ARG002
        return Image.new("RGB", (2, 2), (1, 2, 3))

    def encoded(self) -> None:
        return None


def test_images_as_files_decode_to_the_same_pixels(tmp_path: Path) -> None:
    file = picture(tmp_path / "a.bmp", "blue")
    data = encoded("lime")
    examples = Examples(
        [file, Encoded(data), Image.new("RGB", (3, 2), (9, 8, 7)), Decoded()], [0] * 4
    )
    assert examples.encoded(0) == file.read_bytes()
    assert examples.encoded(1) == data
    for row in range(4):
        image = Encoded(examples.encoded(row)).decode()
        assert image.tobytes() == examples.image(row).tobytes()


def test_origins_stay_with_their_images() -> None:
    origins = [Origin(name, name.encode()) for name in "abc"]
    known = Examples([None] * 3, [0, 1, 2], origins)
    assert known.take([2, 0]).origins == [origins[2], origins[0]]
    assert known.joined(known.take([1])).origins == [*origins, origins[1]]
    unknown = Examples([None], [0])
    assert unknown.take([0]).origins == ()
    assert known.joined(unknown).origins == ()


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
