"""Tables: CSV, TSV and Parquet."""

from pathlib import Path
from typing import Any

import pytest

from facet_vision.training.data.datasets import Columns, TaskData, load
from facet_vision.training.errors import DataError
from tests.training.support.pictures import colour_of, encoded, picture

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photos: red ones and blue ones."""
    for number in range(3):
        picture(tmp_path / "photos" / f"r{number}.png", "red")
        picture(tmp_path / "photos" / f"b{number}.png", "blue")
    return tmp_path


def _csv(folder: Path, *lines: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _table(path: Path, **columns: list[Any]) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (facet-vision[data])")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


ROWS = [f"photos/{colour}{number}.png,{colour}" for number in range(3) for colour in "rb"]


def test_csv_is_split_like_a_folder(photos: Path) -> None:
    data = load(_csv(photos, "image,label", *ROWS), seed=3)
    assert data.labels == ("b", "r")
    assert (sorted(data.train.targets), sorted(data.test.targets)) == ([0, 0, 1, 1], [0, 1])
    assert colour_of(data.train.image(0)) == (BLUE, RED)[data.train.targets[0]]
    assert data.summary == "table t.csv, 4 training and 2 held-out images"
    assert not data.multi_label


def test_tsv_with_columns_of_other_names(photos: Path) -> None:
    lines = ["kind\tfile\tset", *(f"{row[7]}\t{row.split(',')[0]}\ttrain" for row in ROWS[:4])]
    path = _csv(photos, *lines, "r\tphotos/r2.png\ttest", "b\tphotos/b2.png\tdev", name="t.tsv")
    data = load(path, columns=Columns(image_column="file", label_column="kind", split_column="set"))
    assert data.validation is not None
    assert (len(data.train), data.test.targets, data.validation.targets) == (4, [1], [0])


def test_column_called_split_is_used_by_default(photos: Path) -> None:
    lines = [f"{row},{'Train' if '0' in row else 'test'}" for row in ROWS]
    data = load(_csv(photos, "image,label,split", *lines))
    assert (len(data.train), len(data.test)) == (2, 4)


def test_numbers_are_ordered_by_value(photos: Path) -> None:
    lines = [f"photos/{c}{n}.png,{10 if c == 'r' else 9}" for c in "rb" for n in "01"]
    data = load(_csv(photos, "image,label", *lines))
    assert data.labels == ("9", "10")


def test_separator_makes_it_multi_label(photos: Path) -> None:
    lines = [
        "photos/r0.png,red; warm",
        "photos/r1.png,red",
        "photos/b0.png,",
        "photos/b1.png,warm;red;red",
    ]
    data = load(
        _csv(photos, "image,label", *lines), holdout=0.5, columns=Columns(label_separator=";")
    )
    assert data.multi_label
    assert data.labels == ("red", "warm")
    assert sorted([*data.train.targets, *data.test.targets]) == [(), (0,), (0, 1), (0, 1)]
    rows = data.targets(data.train)
    assert rows.shape == (len(data.train), 2)
    assert rows.sum() == sum(map(len, data.train.targets))


def test_parquet_of_paths_and_whole_numbers(photos: Path) -> None:
    path = _table(photos / "t.parquet", image=[row.split(",")[0] for row in ROWS], label=[0, 1] * 3)
    assert load(path).labels == ("0", "1")


def test_parquet_of_bytes_and_lists(tmp_path: Path) -> None:
    images = [{"bytes": encoded("red"), "path": None}, {"bytes": encoded("blue"), "path": None}] * 2
    path = _table(
        tmp_path / "t.parquet", image=images, label=[["r"], ["b", "cold"], ["r"], ["b", "cold"]]
    )
    data = load(path, holdout=0.5)
    assert data.multi_label
    assert data.labels == ("b", "cold", "r")
    assert {colour_of(data.train.image(row)) for row in range(2)} == {RED, BLUE}
    plain = _table(tmp_path / "p.parquet", image=[encoded()] * 4, label=["x", "y"] * 2)
    assert len(load(plain).train) == 2


def test_damaged_and_missing_images_are_named_by_row(photos: Path) -> None:
    (photos / "photos" / "torn.png").write_bytes(encoded()[:50])
    data = load(_csv(photos, "image,label", *ROWS, "photos/torn.png,r", "photos/none.png,b"))
    assert len(data.train) + len(data.test) == 6
    torn, none = data.skipped
    assert torn.startswith(f"row 7, {photos / 'photos' / 'torn.png'}: image: expected a ")
    assert none == f"row 8, {photos / 'photos' / 'none.png'}: No such file or directory"


def _loaded(photos: Path, lines: list[str], columns: dict[str, str]) -> TaskData:
    return load(_csv(photos, *lines), columns=Columns(**columns))


@pytest.mark.parametrize(
    ("lines", "columns", "sentence"),
    [
        ([], {}, r"^data: expected rows, found none in .*t\.csv$"),
        (["image,label"], {}, r"^data: expected rows, found none in .*t\.csv$"),
        (
            ["file,label", "a,b"],
            {},
            r"^image_column: expected one of file, label in t\.csv, found 'image'$",
        ),
        (
            ["image,kind", "a,b"],
            {},
            r"^label_column: expected one of image, kind in t\.csv, found 'label'$",
        ),
        (
            ["image,label", "a,b"],
            {"split_column": "s"},
            r"^split_column: expected one of image, label .* found 's'$",
        ),
        (["image,label", "a,b,c"], {}, r"^data: expected 2 cells in every row, found 3 at row 1$"),
        (
            ["image,label", '"a,b'],
            {},
            r"^data: expected a readable table, found a fault in .*t\.csv \(.+\)$",
        ),
        (["image,label", ROWS[0], "a, "], {}, r"^label: expected one label, found none at row 2$"),
        (
            ["image,label", ",r"],
            {},
            r"^image: expected a path or the bytes of an image, found '' at row 1$",
        ),
        (["image,label", *ROWS[::2]], {}, r"^data: expected labels, at least 2, found only 'r'$"),
        (
            ["image,label", *ROWS[:2]],
            {},
            r"^class 'b': expected at least 2 readable images to hold one out, found 1$",
        ),
        (
            ["image,label", *ROWS, "x,y"],
            {},
            r"^class 'y': expected a readable image, found 1 damaged ones$",
        ),
        (
            ["image,label,split", "a,b,tset"],
            {},
            r"^split: expected train, validation or test, found 'tset' at row 1$",
        ),
        (
            ["image,label,split", "a,b,test"],
            {},
            r"^data: expected images to train on, found none in table t\.csv$",
        ),
        (
            ["image,label,split", *(f"{row},train" for row in ROWS), "photos/r0.png,emu,test"],
            {},
            r"^label: expected one of b, r, found 'emu' at row 7, .*r0\.png \(test\)$",
        ),
        (
            ["image,label,split", *(f"{row},train" for row in ROWS), "none.png,r,test"],
            {},
            r"^test: expected a readable image, found 1 damaged or missing ones$",
        ),
        (
            ["image,label", "photos/r0.png,"],
            {"label_separator": ";"},
            r"^data: expected labels, at least 1, found none$",
        ),
    ],
)
def test_faults_are_one_sentence(
    photos: Path, lines: list[str], columns: dict[str, str], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        _loaded(photos, lines, columns)


def test_files_that_are_not_tables(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^data: expected a table, found no file at .*none\.parquet$"
    ):
        load(tmp_path / "none.parquet")
    (tmp_path / "t.csv").write_bytes(b"image,label\n\xff\xfe,x\n")
    with pytest.raises(
        DataError, match=r"^data: expected a readable table, found a fault in .*t\.csv"
    ):
        load(tmp_path / "t.csv")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (facet-vision[data])")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no, not really")
    with pytest.raises(
        DataError, match=r"^data: expected a readable table, found a fault in .*t\.parquet"
    ):
        load(tmp_path / "t.parquet")


def test_cells_of_other_types(tmp_path: Path) -> None:
    path = _table(tmp_path / "t.parquet", image=[encoded()] * 2, label=[0.5, 1.5])
    with pytest.raises(
        DataError, match=r"^label: expected text or whole numbers, found 0\.5 at row 1$"
    ):
        load(path)


def test_columns_of_a_source_without_any() -> None:
    with pytest.raises(
        DataError, match=r"^label_column: expected no value, which digits does not use, found 'x'$"
    ):
        load("digits", columns=Columns(label_column="x"))
