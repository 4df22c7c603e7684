"""Data read again as a task's training read them."""

from pathlib import Path

import pytest

from facet_vision.training.data.as_trained import read_as_trained
from facet_vision.training.data.datasets import load
from facet_vision.training.errors import DataError
from tests.training.support.pictures import picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in "ab":
        for number in range(10):
            picture(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def test_the_same_images_are_held_out(photos: Path) -> None:
    trained = load(photos, seed=7, holdout=0.3)
    again = read_as_trained(str(photos), {"seed": 7, "holdout": 0.3, "epochs": 5})
    assert again.test.images == trained.test.images
    other = read_as_trained(str(photos), {"seed": 7, "holdout": 0.3}, {"seed": 8})
    assert other.test.images != trained.test.images
    assert len(other.test) == len(trained.test) == 6


def test_columns_hold_where_the_source_has_columns(photos: Path, tmp_path: Path) -> None:
    recipe = {"seed": 0, "holdout": 0.2, "label_column": "kind"}
    assert len(read_as_trained(str(photos), recipe).labels) == 2
    table = tmp_path / "t.csv"
    rows = [f"photos/{label}/{number}.png,{label}" for label in "ab" for number in range(10)]
    table.write_text("\n".join(["image,kind", *rows]))
    assert read_as_trained(str(table), recipe).labels == ("a", "b")
    with pytest.raises(DataError, match="label_column: expected one of image, kind"):
        read_as_trained(str(table), recipe, {"label_column": "label"})
    with pytest.raises(DataError, match="label_column: expected no value"):
        read_as_trained(str(photos), {}, {"label_column": "kind"})
