"""Data sets of Hugging Face's `datasets`.

The source is `hf:NAME`, `hf:NAME:CONFIGURATION` or `hf:FOLDER`.

A folder is one that `save_to_disk` wrote, or one that `load_dataset` reads. Columns are found by
the types of their features: images, and class labels or lists of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from facet_vision import backbone
from facet_vision.training.errors import DataError

from .assemble import PART_NAMES, Rows, assemble
from .columns import Columns, labels_of
from .examples import TaskData

SAVED = ("dataset_dict.json", "state.json")
"""One of these files is in every folder that `save_to_disk` wrote."""

LABEL_NAMES = ("label", "labels")
"""Columns that hold labels even if their features do not name classes."""


@dataclass(frozen=True)
class Cell:
    """An image in a data set's table, which stays on disk."""

    dataset: Any
    row: int

    def decode(self, enough: int | None = None) -> Image.Image:
        return backbone.decode_image(self.encoded(), enough=enough)

    def encoded(self) -> bytes:
        (stored,) = self.dataset[self.row].values()
        if stored is None:
            raise backbone.ImageError("image: expected one, found none")
        data: bytes | None = stored["bytes"]
        return Path(stored["path"]).read_bytes() if data is None else data


def load_huggingface(source: str, columns: Columns, *, seed: int, holdout: float) -> TaskData:
    """Load the splits with the usual names of training, validation and test part.

    Other splits, and those without a label, are skipped.

    Raises:
        DataError: there is no such data set, locally or (if online) on the hub, or no column fits.
    """
    if columns.split_column is not None:
        found = repr(columns.split_column)
        raise DataError(f"split_column: expected no value, which hf: does not use, found {found}")
    splits = _load_splits(source)
    features = next(iter(splits.values())).features
    image = _image_column(features, columns.image_column)
    label = _label_column(features, columns.label_column)
    names = _names(features[label])
    multi_label = _is_list(features[label]) or columns.label_separator is not None
    parts = {}
    for split, dataset in splits.items():
        if split in PART_NAMES and _is_labelled(dataset, label):
            cells = _cells(dataset, label, names)
            parts[PART_NAMES[split]] = _rows(dataset, split, image, cells, columns, multi_label)
    where = Path(source).resolve().name if Path(source).is_dir() else source
    return assemble(
        parts,
        f"Hugging Face {where}",
        seed=seed,
        holdout=holdout,
        labels=names,
        multi_label=multi_label,
    )


def _load_splits(source: str) -> Mapping[str, Any]:
    """Return the splits by name; a set without splits is all training part."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "data: expected the package datasets for hf:, found none; install facet-vision[hf]"
        ) from error
    folder = Path(source)
    name, _, configuration = (source, "", "") if folder.is_dir() else source.partition(":")
    try:
        if any((folder / file).is_file() for file in SAVED):
            found = datasets.load_from_disk(source)
        else:
            found = datasets.load_dataset(name, configuration or None)
    except Exception as error:  # network, cache, scripts, formats: each raises its own
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"data: expected a data set of Hugging Face, found none as {source!r} ({reason})"
        ) from error
    return found if isinstance(found, Mapping) else {"train": found}


def _image_column(features: Mapping[str, Any], given: str | None) -> str:
    from datasets import Image as ImageFeature

    suitable = [name for name, feature in features.items() if isinstance(feature, ImageFeature)]
    return _chosen(suitable, given, "image_column", "images")


def _label_column(features: Mapping[str, Any], given: str | None) -> str:
    from datasets import ClassLabel, Value

    named = [name for name, feature in features.items() if isinstance(_inner(feature), ClassLabel)]
    plain = [
        name
        for name, feature in features.items()
        if isinstance(_inner(feature), Value) and (name in LABEL_NAMES or name == given)
    ]
    # by default a column of named classes wins over a plain one
    suitable = [*named, *plain] if given else named or plain
    return _chosen(suitable, given, "label_column", "labels")


def _chosen(suitable: list[str], given: str | None, option: str, what: str) -> str:
    """Return the given column, or the only suitable one."""
    names = ", ".join(suitable)
    if given in suitable:
        return str(given)
    if given is not None:
        raise DataError(
            f"{option}: expected a column of {what} ({names or 'there is none'}), found {given!r}"
        )
    if len(suitable) != 1:
        raise DataError(f"{option}: expected one column of {what}, found {names or 'none'}")
    return suitable[0]


def _is_list(feature: Any) -> bool:
    return hasattr(feature, "feature")


def _inner(feature: Any) -> Any:
    """Return the feature of a list's items, or the feature itself."""
    return feature.feature if _is_list(feature) else feature


def _is_labelled(dataset: Any, label: str) -> bool:
    """Return whether a row has a label; public test parts often have none, or -1."""
    return any(cell not in (None, -1) for cell in dataset.with_format(None)[label])


def _names(feature: Any) -> list[str] | None:
    """Return the names of the classes, where the feature knows them."""
    return getattr(_inner(feature), "names", None)


def _cells(dataset: Any, label: str, names: list[str] | None) -> Iterator[Any]:
    """Yield the label or labels of each row, by name; a number without a name stays a number."""
    for cell in dataset.with_format(None)[label]:
        if names is None or cell is None:
            yield cell
        elif isinstance(cell, list):
            yield [names[number] if 0 <= number < len(names) else number for number in cell]
        else:
            yield names[cell] if 0 <= cell < len(names) else cell


def _rows(
    dataset: Any, split: str, image: str, cells: Iterator[Any], columns: Columns, multi_label: bool
) -> Rows:
    from datasets import Image as ImageFeature

    stored = (
        dataset.with_format(None)
        .select_columns([image])
        .cast_column(image, ImageFeature(decode=False))
    )
    rows = Rows()
    for number, cell in enumerate(cells):
        name = f"row {number} of {split}"
        labels = labels_of(cell, name, separator=columns.label_separator, multi_label=multi_label)
        rows.add(Cell(stored, number), labels, name)
    return rows
