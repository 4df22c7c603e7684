"""Columns of a table, and the meaning of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from facet_vision.training.errors import DataError

from .assemble import PART_NAMES, normal


@dataclass(frozen=True)
class Columns:
    """The user's choice of a table's columns; None leaves it to the source.

    Attributes:
        image_column, label_column, split_column: their names.
        label_separator: text between the labels of one cell; with it an image has any number of
            labels.
    """

    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    label_separator: str | None = None

    def check_unused(self, source: str) -> None:
        """Refuse options that a source without columns would ignore.

        Raises:
            DataError: an option is given.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                raise DataError(
                    f"{each.name}: expected no value, which {source} does not use, found {value!r}"
                )


def part_of(cell: object, name: str) -> str:
    """Return the part that a cell of the split column names."""
    part = PART_NAMES.get(str(cell).strip().lower())
    if part is None:
        raise DataError(f"split: expected train, validation or test, found {cell!r} at {name}")
    return part


def labels_of(
    cell: object, name: str, *, separator: str | None, multi_label: bool
) -> tuple[str, ...]:
    """Return the labels in a cell: text, a whole number or a list of them.

    Text with a separator holds any number of labels.
    """
    each = _divided(cell, separator)
    labels = tuple(dict.fromkeys(_label(value, name) for value in each))
    if not multi_label and len(labels) != 1:
        raise DataError(
            f"label: expected one label, found {', '.join(map(repr, labels)) or 'none'} at {name}"
        )
    return labels


def has_lists(cells: Sequence[object]) -> bool:
    """Return whether a cell holds a list."""
    return any(isinstance(cell, list) for cell in cells)


def _divided(cell: object, separator: str | None) -> Sequence[object]:
    if cell is None:
        return []
    if isinstance(cell, list):
        return cell
    if isinstance(cell, str):
        texts = cell.split(separator) if separator is not None else [cell]
        return [text.strip() for text in texts if text.strip()]
    return [cell]


def _label(value: object, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"label: expected text or whole numbers, found {value!r} at {name}")
    return normal(str(value).strip())
