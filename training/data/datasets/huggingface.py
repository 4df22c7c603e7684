"""Data sets of Hugging Face's `datasets`: `hf:NAME`, `hf:NAME:CONFIGURATION` or `hf:FOLDER`.

A folder is one that `save_to_disk` wrote, or one that `load_dataset` reads. Columns are found by the types of their
features: the one of images, and the one of class labels or of lists of them.
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
"""One of these lies in a folder that `save_to_disk` wrote."""

LABEL_NAMES = ("label", "labels")
"""Columns that hold labels even if their features have no names of classes."""


@dataclass(frozen=True)
class Cell:
    """An image in a data set's table, which stays on disk."""

    dataset: Any
    row: int

    def decode(self, enough: int | None = None) -> Image.Image:
        (stored,) = self.dataset[self.row].values()
        if stored is None:
            raise backbone.ImageError("image: expected one, found none")
        data = stored["bytes"]
        data = Path(stored["path"]).read_bytes() if data is None else data
        return backbone.decode_image(data, enough=enough)


def load_huggingface(source: str, columns: Columns, *, seed: int, holdout: float) -> TaskData:
    """Load its parts named train, validation and test, by their usual names; other parts and those without a label are
    left alone.

    Raises:
        DataError: there is no such data set here or (if online) there, or no column fits.
    """
    if columns.split_column is not None:
        raise DataError(
            f"split_column: expected no value, which hf: does not use, found {columns.split_column!r}"
        )
    splits = _open(source)
    features = next(iter(splits.values())).features
    image, label = (
        _image_column(features, columns.image_column),
        _label_column(features, columns.label_column),
    )
    names, multi_label = (
        _names(features[label]),
        _is_list(features[label]) or columns.label_separator is not None,
    )
    parts = {
        PART_NAMES[split]: _rows(
            dataset, split, image, _cells(dataset, label, names), columns, multi_label
        )
        for split, dataset in splits.items()
        if split in PART_NAMES and _is_labelled(dataset, label)
    }
    where = Path(source).resolve().name if Path(source).is_dir() else source
    return assemble(
        parts,
        f"Hugging Face {where}",
        seed=seed,
        holdout=holdout,
        labels=names,
        multi_label=multi_label,
    )


def _open(source: str) -> Mapping[str, Any]:
    """Its splits by name; what has none is all for training."""
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

    fitting = [name for name, feature in features.items() if isinstance(feature, ImageFeature)]
    return _chosen(fitting, given, "image_column", "images")


def _label_column(features: Mapping[str, Any], given: str | None) -> str:
    from datasets import ClassLabel, Value

    named = [name for name, feature in features.items() if isinstance(_inner(feature), ClassLabel)]
    plain = [
        name
        for name, feature in features.items()
        if isinstance(_inner(feature), Value) and (name in LABEL_NAMES or name == given)
    ]
    return _chosen([*named, *plain] if given else named or plain, given, "label_column", "labels")


def _chosen(fitting: list[str], given: str | None, option: str, what: str) -> str:
    if given in fitting:
        return str(given)
    if given is not None:
        raise DataError(
            f"{option}: expected a column of {what} ({', '.join(fitting) or 'there is none'}), found {given!r}"
        )
    if len(fitting) != 1:
        raise DataError(
            f"{option}: expected one column of {what}, found {', '.join(fitting) or 'none'}"
        )
    return fitting[0]


def _is_list(feature: Any) -> bool:
    return hasattr(feature, "feature")


def _inner(feature: Any) -> Any:
    return feature.feature if _is_list(feature) else feature


def _is_labelled(dataset: Any, label: str) -> bool:
    """Public test parts often keep their labels back: they are missing, or -1."""
    return any(cell not in (None, -1) for cell in dataset.with_format(None)[label])


def _names(feature: Any) -> list[str] | None:
    """The names of the classes, where the feature knows them."""
    return getattr(_inner(feature), "names", None)


def _cells(dataset: Any, label: str, names: list[str] | None) -> Iterator[Any]:
    """The label or labels of each row, by name where there are names; a number without a name stays one."""
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
