"""What is said about images that stand in two parts, or there twice with different labels."""

from pathlib import Path

import pytest
from PIL import Image

from facet_vision.training.data.datasets import load, with_all_training, with_validation
from facet_vision.training.data.remarks import SHOWN, remarks


def noise(path: Path, seed: int, **options: object) -> Path:
    """Write an image that is the same for the same seed, in whatever format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.frombytes("RGB", (8, 8), bytes((seed * 7 + n) % 256 for n in range(192)))
    image.save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three training and two held-out images of each of two classes, all different."""
    for number in range(10):
        part = "train" if number < 6 else "test"
        noise(tmp_path / part / "ab"[number % 2] / f"{number}.png", number)
    return tmp_path


def test_nothing_is_said_about_images_that_differ(photos: Path) -> None:
    assert list(remarks(load(photos))) == []
    assert list(remarks(load("digits"))) == []


def test_a_held_out_image_that_is_also_learned_from(photos: Path) -> None:
    again = noise(photos / "test" / "a" / "again.bmp", 2)  # other bytes, the same pixels
    (sentence,) = remarks(load(photos))
    assert sentence == (
        f"warning: 1 of 5 held-out images also found among the training images, such as {again}, "
        f"the same as {photos / 'train' / 'a' / '2.png'}; metrics on them say too much"
    )


def test_large_images_are_compared_too(photos: Path) -> None:
    ramp = Image.linear_gradient("L").resize((1500, 900)).convert("RGB")
    ramp.save(photos / "train" / "a" / "large.png")
    ramp.save(photos / "test" / "a" / "large.bmp")
    ramp.rotate(180).save(photos / "test" / "b" / "other.bmp")
    (sentence,) = remarks(load(photos))
    assert "1 of 6 held-out images" in sentence
    assert "large.bmp" in sentence


def test_a_part_that_is_drawn_can_share_images_too(tmp_path: Path) -> None:
    for label in "ab":
        for number in range(5):  # five files of one image for each class
            noise(tmp_path / label / f"{number}.png", ord(label))
    data = load(tmp_path)
    (sentence,) = remarks(data)
    assert "2 of 2 held-out images also found among the training images" in sentence
    assert len(list(remarks(with_validation(data, 0.5, 0)))) == 2
    (after,) = remarks(with_all_training(with_validation(data, 0.5, 0)))
    assert after.partition(", such as")[0] == sentence.partition(", such as")[0]


def test_an_image_under_two_labels_is_named(photos: Path) -> None:
    other = noise(photos / "train" / "b" / "other.png", 4, compress_level=0)
    (sentence,) = remarks(load(photos))
    assert sentence == (
        "warning: 1 image under different labels: "
        f"{photos / 'train' / 'a' / '4.png'} (a) and {other} (b)"
    )


def test_many_images_under_two_labels_are_counted(tmp_path: Path) -> None:
    for number in range(SHOWN + 3):
        for label in "ab":
            noise(tmp_path / "train" / label / f"{number}.png", number)
            noise(tmp_path / "test" / label / f"{number}.png", 50 + 2 * number + ord(label))
    sentence = list(remarks(load(tmp_path)))[-1]
    assert sentence.startswith(f"warning: {SHOWN + 3} images under different labels: ")
    assert sentence.count(" and ") == SHOWN + 1
    assert sentence.endswith("; and 3 more")


def test_skipped_images_are_named(photos: Path) -> None:
    (photos / "test" / "a" / "torn.png").write_bytes(b"no image")
    (sentence,) = remarks(load(photos))
    assert sentence.startswith(f"skipped {photos / 'test' / 'a' / 'torn.png'}: ")
