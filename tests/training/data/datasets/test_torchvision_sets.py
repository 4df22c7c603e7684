"""Data sets of torchvision, on small files in their formats."""

import struct
from pathlib import Path

import numpy as np
import pytest

from facet_vision.training.data.datasets import load
from facet_vision.training.errors import DataError
from tests.training.support.pictures import picture


def _idx(path: Path, values: np.ndarray) -> None:
    """Write a file in the format of MNIST."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">I{values.ndim}I", 0x800 + values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    for part, count in (("train", 20), ("t10k", 10)):
        targets = (np.arange(count) % 10).astype(np.uint8)
        pixels = np.zeros((count, 28, 28), np.uint8) + targets[:, None, None]
        _idx(tmp_path / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", pixels)
        _idx(tmp_path / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", targets)
    return tmp_path


def test_set_of_training_and_test_part(mnist: Path) -> None:
    data = load(f"torchvision:MNIST:{mnist}")
    assert (len(data.train), len(data.test), data.validation) == (20, 10, None)
    assert data.labels[3] == "3 - three"
    image = data.train.image(13)
    assert (image.mode, image.getpixel((0, 0)), data.train.targets[13]) == ("RGB", (3, 3, 3), 3)
    assert data.summary == "torchvision MNIST, 20 training and 10 held-out images"


@pytest.fixture
def countries(tmp_path: Path) -> Path:
    for split, count in (("train", 4), ("valid", 2), ("test", 1)):
        for label in ("AT", "BE"):
            for number in range(count):
                picture(tmp_path / "country211" / split / label / f"{number}.jpg")
    return tmp_path


def test_set_of_three_parts(countries: Path) -> None:
    (countries / "country211" / "train" / "AT" / "torn.jpg").write_bytes(b"no image")
    data = load(f"torchvision:Country211:{countries}")
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 4, 2)
    assert data.labels == ("AT", "BE")
    (skipped,) = data.skipped
    assert skipped.startswith("train image 4: image: expected a readable one, found damaged data (")


def test_set_without_parts_is_held_out(countries: Path) -> None:
    data = load(f"torchvision:ImageFolder:{countries / 'country211' / 'train'}", holdout=0.25)
    assert (len(data.train), len(data.test)) == (6, 2)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "torchvision:MNOST:x",
            r"^data: expected the name of a data set of torchvision, found 'MNOST'$",
        ),
        ("torchvision:os:x", r"^data: expected the name of a data set of torchvision, found 'os'$"),
        (
            "torchvision:CIFAR10:x",
            r"^data: expected the files of torchvision's CIFAR10 in x, found a fault \(Dataset not",
        ),
        (
            "torchvision:EMNIST:x",
            r"^data: expected a set with a part to train on, found none in torchvision's EMNIST$",
        ),
        (
            "torchvision:SBU:x",
            r"^data: expected the files of torchvision's SBU in x, found a fault \(",
        ),
    ],
)
def test_faults_are_one_sentence(source: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(source)


def test_targets_must_be_numbers(tmp_path: Path) -> None:
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    picture(voc / "JPEGImages" / "a.jpg")
    for file in ("ImageSets/Main/train.txt", "Annotations/a.xml"):
        (voc / file).parent.mkdir(parents=True)
        (voc / file).write_text("a\n")
    with pytest.raises(
        DataError,
        match=r"^data: expected a label's number for each image of torchvision's VOCDetection",
    ):
        load(f"torchvision:VOCDetection:{tmp_path}")
