"""Labels with accents, which systems write in two ways."""

import unicodedata
from pathlib import Path

import pytest

from facet_vision.training.data.datasets import Columns, load
from tests.training.support.pictures import picture

COMPOSED = "café"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def test_the_two_ways_differ() -> None:
    assert COMPOSED != DECOMPOSED


def test_parts_of_a_folder_may_write_a_class_in_both_ways(tmp_path: Path) -> None:
    for part, label in (("train", DECOMPOSED), ("test", COMPOSED)):
        picture(tmp_path / part / label / "1.png")
        picture(tmp_path / part / "tea" / "1.png", "blue")
    data = load(tmp_path)
    assert data.labels == (COMPOSED, "tea")
    assert list(data.test.targets) == list(data.train.targets) == [0, 1]


def test_two_folders_of_a_class_are_one_class(tmp_path: Path) -> None:
    for label in (COMPOSED, DECOMPOSED, "tea"):
        for number in range(2):
            picture(tmp_path / label / f"{number}.png")
    if len(list(tmp_path.iterdir())) != 3:
        pytest.skip("the file system writes names in one way")
    data = load(tmp_path, holdout=0.5)
    assert data.labels == (COMPOSED, "tea")
    assert len(data.train) + len(data.test) == 6


def test_cells_of_a_table_may_mix_them(tmp_path: Path) -> None:
    rows = ["image,label,split"]
    for number, label in enumerate((COMPOSED, DECOMPOSED, "tea", DECOMPOSED, "tea")):
        picture(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{label},{'train' if number < 3 else 'test'}")
    table = tmp_path / "t.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    data = load(table)
    assert (data.labels, list(data.train.targets)) == ((COMPOSED, "tea"), [0, 0, 1])
    several = load(table, columns=Columns(label_separator=";"))
    assert (several.labels, list(several.test.targets)) == ((COMPOSED, "tea"), [(0,), (1,)])
