"""Tables: CSV, TSV and Parquet files with a row for each image.

    image,label,split
    photos/1.jpg,rose,train

Paths are relative to the table's folder. A Parquet file may hold lists of labels, and the images
themselves as bytes or as a struct with a field `bytes`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from facet_vision.training.errors import DataError

from .assemble import TRAIN, Rows, assemble
from .columns import Columns, has_lists, labels_of, part_of
from .examples import Encoded, Stored, TaskData

SUFFIXES = (".csv", ".tsv", ".parquet")
IMAGE, LABEL, SPLIT = "image", "label", "split"
"""Default names of the columns; without a column `split` a part is held out."""

Table = Mapping[str, Sequence[Any]]
"""The cells of each column."""


def load_table(path: Path, columns: Columns, *, seed: int, holdout: float) -> TaskData:
    """Load the images that a table names; unreadable ones are skipped and named by their row.

    Raises:
        DataError: the table cannot be read, a column is missing, or nothing can be learned from
            its rows.
    """
    table = _read(path)
    images = _column(table, path, columns.image_column or IMAGE, "image_column")
    cells = _column(table, path, columns.label_column or LABEL, "label_column")
    splits = _splits(table, path, columns.split_column, len(images))
    multi_label = columns.label_separator is not None or has_lists(cells)
    parts: dict[str, Rows] = {}
    for number, (image, cell, split) in enumerate(zip(images, cells, splits, strict=True), 1):
        name = f"row {number}"
        labels = labels_of(cell, name, separator=columns.label_separator, multi_label=multi_label)
        stored = _image(image, path.parent, name)
        shown = f"{name}, {stored}" if isinstance(stored, Path) else name
        parts.setdefault(part_of(split, name), Rows()).add(stored, labels, shown)
    return assemble(
        parts, f"table {path.name}", seed=seed, holdout=holdout, multi_label=multi_label
    )


def _read(path: Path) -> Table:
    if not path.is_file():
        raise DataError(f"data: expected a table, found no file at {path}")
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    if not any(len(cells) for cells in table.values()):
        raise DataError(f"data: expected rows, found none in {path}")
    return table


def _read_csv(path: Path) -> Table:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(
            f"data: expected a readable table, found a fault in {path} ({error})"
        ) from error
    header, *rows = lines or [[]]
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(
                f"data: expected {len(header)} cells in every row, found {len(row)} at row {number}"
            )
    return {name.strip(): [row[column] for row in rows] for column, name in enumerate(header)}


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(
            "data: expected pyarrow to read Parquet, found none; install facet-vision[data]"
        ) from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise DataError(
            f"data: expected a readable table, found a fault in {path} ({error})"
        ) from error
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _column(table: Table, path: Path, name: str, option: str) -> Sequence[Any]:
    if name not in table:
        raise DataError(
            f"{option}: expected one of {', '.join(table)} in {path.name}, found {name!r}"
        )
    return table[name]


def _splits(table: Table, path: Path, name: str | None, rows: int) -> Sequence[Any]:
    if name is None and SPLIT not in table:
        return [TRAIN] * rows
    return _column(table, path, name or SPLIT, "split_column")


def _image(cell: Any, folder: Path, name: str) -> Image.Image | Path | Stored:
    if isinstance(cell, Mapping):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes):
        return Encoded(cell)
    if not isinstance(cell, str) or not cell.strip():
        raise DataError(
            f"image: expected a path or the bytes of an image, found {cell!r} at {name}"
        )
    return folder / cell.strip()
