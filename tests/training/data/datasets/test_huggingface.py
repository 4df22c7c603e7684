"""Data sets of Hugging Face, saved by its own package."""

from pathlib import Path
from typing import Any

import pytest

from facet_vision.training.data.datasets import Columns, load
from facet_vision.training.errors import DataError
from tests.training.support.pictures import colour_of, encoded

datasets = pytest.importorskip("datasets", reason="datasets is not installed (facet-vision[hf])")
List, ClassLabel, Value = datasets.List, datasets.ClassLabel, datasets.Value

COLOURS = ClassLabel(names=["red", "blue"])


def _saved(path: Path, features: dict[str, Any], **splits: dict[str, list[Any]]) -> str:
    """Save a set with these columns and images in red, blue, red, blue …; return its source."""
    made = {}
    for split, columns in splits.items():
        count = len(next(iter(columns.values())))
        images = [
            {"bytes": encoded(("red", "blue")[row % 2]), "path": None} for row in range(count)
        ]
        types = datasets.Features({"picture": datasets.Image(), **features})
        made[split] = datasets.Dataset.from_dict({"picture": images, **columns}, features=types)
    datasets.DatasetDict(made).save_to_disk(str(path))
    return f"hf:{path}"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


def test_columns_are_found_by_their_types(tmp_path: Path) -> None:
    part = {"note": ["x"] * 4, "kind": [0, 1, 0, 1]}
    source = _saved(
        tmp_path, {"note": Value("string"), "kind": COLOURS}, train=part, validation=part, test=part
    )
    data = load(source)
    assert data.labels == ("red", "blue")
    assert data.train.targets == data.test.targets == [0, 1, 0, 1]
    assert data.validation is not None
    assert colour_of(data.test.image(1)) == (0, 0, 255)


def test_one_split_is_held_out(tmp_path: Path) -> None:
    data = load(
        _saved(tmp_path, {"label": Value("string")}, train={"label": ["x", "y"] * 4}), holdout=0.25
    )
    assert (len(data.train), len(data.test), data.labels) == (6, 2, ("x", "y"))


def test_lists_are_multi_label(tmp_path: Path) -> None:
    data = load(
        _saved(tmp_path, {"kinds": List(COLOURS)}, train={"kinds": [[0], [1], [0, 1], []] * 2}),
        holdout=0.5,
    )
    assert data.multi_label
    expected = [target for target in [(), (0,), (0, 1), (1,)] for _ in range(2)]
    assert sorted([*data.train.targets, *data.test.targets]) == expected


def test_separator_divides_text(tmp_path: Path) -> None:
    source = _saved(tmp_path, {"label": Value("string")}, train={"label": ["x y", "y", "x", "x y"]})
    data = load(source, holdout=0.5, columns=Columns(label_separator=" "))
    assert (data.multi_label, data.labels) == (True, ("x", "y"))


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    features = {"fine": COLOURS, "coarse": COLOURS, "text": Value("string")}
    source = _saved(
        tmp_path, features, train={"fine": [0, 1] * 2, "coarse": [1, 0] * 2, "text": ["a", "b"] * 2}
    )
    with pytest.raises(
        DataError, match=r"^label_column: expected one column of labels, found fine, coarse$"
    ):
        load(source)
    assert load(source, columns=Columns(label_column="coarse")).labels == ("red", "blue")
    named = load(source, columns=Columns(label_column="text", image_column="picture"))
    assert named.labels == ("a", "b")
    with pytest.raises(
        DataError,
        match=r"^label_column: expected a column of labels \(fine, coarse\), found 'none'$",
    ):
        load(source, columns=Columns(label_column="none"))
    with pytest.raises(
        DataError, match=r"^image_column: expected a column of images \(picture\), found 'fine'$"
    ):
        load(source, columns=Columns(label_column="fine", image_column="fine"))
    with pytest.raises(
        DataError, match=r"^split_column: expected no value, which hf: does not use, found 'x'$"
    ):
        load(source, columns=Columns(split_column="x"))


def test_label_outside_the_names(tmp_path: Path) -> None:
    source = _saved(tmp_path, {"label": COLOURS}, train={"label": [0, 1]}, test={"label": [0, -1]})
    with pytest.raises(
        DataError, match=r"^label: expected one of red, blue, found '-1' at row 1 of test \(test\)$"
    ):
        load(source)


def test_part_without_labels_is_skipped(tmp_path: Path) -> None:
    source = _saved(
        tmp_path / "set", {"label": COLOURS}, train={"label": [0, 1] * 4}, test={"label": [-1, -1]}
    )
    data = load(source, holdout=0.25)
    assert data.summary == "Hugging Face set, 6 training and 2 held-out images"


def test_class_without_images(tmp_path: Path) -> None:
    source = _saved(
        tmp_path, {"label": ClassLabel(names=["red", "blue", "green"])}, train={"label": [0, 1] * 2}
    )
    with pytest.raises(DataError, match=r"^class 'green': expected images, found none$"):
        load(source)


def test_missing_and_damaged_images_are_named(tmp_path: Path) -> None:
    images = [{"bytes": encoded(), "path": None}] * 4 + [None, {"bytes": b"no image", "path": None}]
    types = datasets.Features({"image": datasets.Image(), "label": COLOURS})
    datasets.Dataset.from_dict({"image": images, "label": [0, 1] * 3}, features=types).save_to_disk(
        str(tmp_path)
    )
    missing, damaged = load(f"hf:{tmp_path}").skipped
    assert missing == "row 4 of train: image: expected one, found none"
    assert damaged.startswith("row 5 of train: image: expected one of JPEG, ")


def test_folder_that_load_dataset_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    types = datasets.Features({"image": datasets.Image(), "label": COLOURS})
    part = datasets.Dataset.from_dict(
        {"image": [encoded()] * 4, "label": [0, 1] * 2}, features=types
    )
    (tmp_path / "set").mkdir()
    part.to_parquet(str(tmp_path / "set" / "train.parquet"))
    assert load(f"hf:{tmp_path / 'set'}").labels == ("red", "blue")


def test_folder_without_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^data: expected a data set of Hugging Face, found none as '.*' \(.+\)$"
    ):
        load(f"hf:{tmp_path}")
