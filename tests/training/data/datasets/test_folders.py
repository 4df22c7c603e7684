"""Folders of class folders."""

from pathlib import Path

import pytest
from PIL import Image

from facet_vision.training.data.datasets import load
from facet_vision.training.errors import DataError


def _fill(folder: Path, count: int, colour: str = "red", suffix: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (12, 10), colour).save(folder / f"{number}.{suffix}")
    return folder


def test_split_is_stratified_and_seeded(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 10)
    _fill(tmp_path / "dog", 5)
    data = load(tmp_path, seed=1, holdout=0.2)
    assert data.labels == ("cat", "dog")
    assert (sorted(data.train.targets), sorted(data.test.targets)) == ([0] * 8 + [1] * 4, [0, 0, 1])
    assert not set(data.train.images) & set(data.test.images)
    assert data.test.images == load(tmp_path, seed=1).test.images
    assert any(load(tmp_path, seed=seed).test.images != data.test.images for seed in (2, 3, 4))
    assert data.summary == f"folder {tmp_path.name}, 12 training and 3 held-out images"


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_train_and_test_folders_are_respected(tmp_path: Path, held_out: str) -> None:
    for part, count in (("train", 3), (held_out, 2)):
        _fill(tmp_path / part / "cat", count)
        _fill(tmp_path / part / "dog", count)
    data = load(str(tmp_path))
    assert (len(data.train), len(data.test)) == (6, 4)
    assert all(path.is_relative_to(tmp_path / held_out) for path in data.test.images)


def test_validation_beside_test_is_a_part_of_its_own(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        _fill(tmp_path / part / "cat", count)
        _fill(tmp_path / part / "dog", count)
    data = load(tmp_path)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 4, 2)
    assert all(path.is_relative_to(tmp_path / "val") for path in data.validation.images)


def test_train_folder_alone_is_split(tmp_path: Path) -> None:
    _fill(tmp_path / "train" / "cat", 3)
    _fill(tmp_path / "train" / "dog", 3)
    assert load(tmp_path).labels == ("cat", "dog")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    _fill(tmp_path / "train", 3)
    _fill(tmp_path / "bus", 3)
    assert load(tmp_path).labels == ("bus", "train")


def test_held_out_part_may_lack_a_class_but_not_add_one(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        _fill(tmp_path / "train" / label, 2)
    _fill(tmp_path / "test" / "dog", 2)
    assert load(tmp_path).test.targets == [1, 1]
    _fill(tmp_path / "test" / "emu", 2)
    with pytest.raises(DataError, match=r"the classes of train/ in test/, found 'emu'"):
        load(tmp_path)


def test_damaged_files_are_named_and_skipped(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 3)
    _fill(tmp_path / "dog", 3, suffix="jpg")
    whole = (tmp_path / "dog" / "0.jpg").read_bytes()
    (tmp_path / "dog" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog" / "text.png").write_text("no image")
    data = load(tmp_path)
    assert len(data.train) + len(data.test) == 6
    assert [line.split(":")[0].rsplit("/")[-1] for line in data.skipped] == ["half.jpg", "text.png"]


def test_other_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        _fill(tmp_path / label / "more" / "deep", 2)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    _fill(tmp_path / "dog" / ".thumbs", 2)
    _fill(tmp_path / ".git", 1)
    data = load(tmp_path)
    assert (len(data.train) + len(data.test), data.skipped) == (4, ())


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data: expected images in class folders, found none in "):
        load(tmp_path)


def test_images_beside_each_other_have_no_class(tmp_path: Path) -> None:
    _fill(tmp_path, 3)
    with pytest.raises(DataError, match=r"expected images in class folders, found none"):
        load(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 3)
    with pytest.raises(DataError, match=r"expected at least 2 class folders, found only 'cat'"):
        load(tmp_path)


def test_empty_class(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 3)
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"^class 'dog': expected images, found none in "):
        load(tmp_path)


def test_class_of_damaged_images(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 3)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "a.png").write_bytes(b"no image")
    with pytest.raises(
        DataError, match=r"^class 'dog': expected a readable image, found 1 damaged"
    ):
        load(tmp_path)


def test_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 3)
    _fill(tmp_path / "dog", 1)
    with pytest.raises(DataError, match=r"^class 'dog': expected at least 2 readable images"):
        load(tmp_path)


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        _fill(tmp_path / label, 1)
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (12, 10)).save(tmp_path / label / "turned.jpg", exif=exif)
    data = load(tmp_path, holdout=0.5)
    sizes = {part.image(row).size for part in (data.train, data.test) for row in range(2)}
    assert sizes == {(12, 10), (10, 12)}


@pytest.mark.parametrize("holdout", [0.0, 1.0])
def test_share_to_hold_out(tmp_path: Path, holdout: float) -> None:
    _fill(tmp_path / "cat", 2)
    _fill(tmp_path / "dog", 2)
    with pytest.raises(
        DataError, match=rf"^holdout: expected a share between 0 and 1, found {holdout:g}$"
    ):
        load(tmp_path, holdout=holdout)


def test_names_of_classes_that_no_task_file_holds(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 2)
    _fill(tmp_path / "do\ng", 2)
    with pytest.raises(
        DataError, match=r"^label: expected 1 to 200 printable characters, found 'do\\ng'$"
    ):
        load(tmp_path)
