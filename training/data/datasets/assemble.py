"""Assembly of the rows of any source into a checked problem.

The checks that hold for every source are made here.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from facet_vision import backbone
from facet_vision.prompts_store.manifest import MAX_LABEL_LENGTH
from facet_vision.training.errors import DataError

from .examples import Examples, Origin, Stored, Target, TaskData, indices
from .splits import hold_out

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PART_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""Names that sources give their parts."""

DIGEST_PIXELS = 2**20
"""Pixels of an image up to which its digest is of every single one."""


@dataclass(frozen=True)
class Rows:
    """One part of a source.

    Attributes:
        images: as in `Examples`.
        labels: label names of each image, in their `normal` form.
        names: readable name of each image, for messages.
    """

    images: list[Image.Image | Path | Stored] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, image: Image.Image | Path | Stored, labels: Iterable[str], name: str) -> None:
        self.images.append(image)
        self.labels.append(tuple(map(normal, labels)))
        self.names.append(name)


def normal(label: str) -> str:
    """Return a label in Unicode's form NFC.

    Systems write the same accented name with different characters: macOS's folders and a table that
    was made elsewhere, for example.
    """
    return unicodedata.normalize("NFC", label)


def assemble(
    parts: Mapping[str, Rows],
    description: str,
    *,
    seed: int,
    holdout: float,
    labels: Sequence[str] | None = None,
    multi_label: bool = False,
) -> TaskData:
    """Skip unreadable images, check the classes, and hold out a part where the source has none.

    Args:
        parts: by TRAIN, VALIDATION and TEST; a validation part without a test part becomes the
            test part.
        labels: all labels that are allowed; by default those of the training part.

    Raises:
        DataError: nothing can be learned from it, or a label occurs that is not allowed.
    """
    if not 0 < holdout < 1:
        raise DataError(f"holdout: expected a share between 0 and 1, found {holdout:g}")
    given = {name: rows for name, rows in parts.items() if rows.images}
    if TRAIN not in given:
        raise DataError(f"data: expected images to train on, found none in {description}")
    if TEST not in given and VALIDATION in given:
        given[TEST] = given.pop(VALIDATION)
    if labels is None:
        labels = in_order(given[TRAIN].labels)
    labels = checked_labels([normal(label) for label in labels], multi_label)
    skipped: list[str] = []
    read = {name: _read(rows, name, labels, multi_label, skipped) for name, rows in given.items()}
    train, test = read[TRAIN], read.get(TEST)
    if test is None:
        train, test = hold_out(train, labels, share=holdout, seed=seed)
    return TaskData(
        train, test, labels, description, tuple(skipped), read.get(VALIDATION), multi_label
    )


def in_order(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all labels that occur, sorted by value if all are numbers, else as text."""
    labels = {label for each in found for label in each}
    numbers = all(label.isdecimal() for label in labels)
    return tuple(sorted(labels, key=lambda label: (int(label) if numbers else 0, label)))


def checked_labels(labels: Sequence[str], multi_label: bool) -> tuple[str, ...]:
    """Return the labels, checked to fit in a task file and to be enough.

    Raises:
        DataError: a label is too long, not printable or occurs twice, or there are too few.
    """
    seen: set[str] = set()
    for label in labels:
        if not 0 < len(label) <= MAX_LABEL_LENGTH or not label.isprintable():
            raise DataError(
                f"label: expected 1 to {MAX_LABEL_LENGTH} printable characters, "
                f"found {label[:60]!r}"
            )
        if label in seen:
            raise DataError(f"label: expected every label once, found {label!r} twice")
        seen.add(label)
    least = 1 if multi_label else 2
    if len(labels) < least:
        found = f"only {labels[0]!r}" if labels else "none"
        raise DataError(f"data: expected labels, at least {least}, found {found}")
    return tuple(labels)


def _read(
    rows: Rows, part: str, labels: tuple[str, ...], multi_label: bool, skipped: list[str]
) -> Examples:
    """Return the readable images of a part; add a sentence for each unreadable one to `skipped`."""
    targets = _targets(rows, part, labels, multi_label)
    everything = Examples(rows.images, targets)
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        looked = list(pool.map(lambda row: _digest(everything, row), range(len(everything))))
    images, targets_read, origins = [], [], []
    for row, (name, found) in enumerate(zip(rows.names, looked, strict=True)):
        if isinstance(found, str):
            skipped.append(f"{name}: {found}")
        else:
            images.append(rows.images[row])
            targets_read.append(targets[row])
            origins.append(Origin(name, found))
    readable = Examples(images, targets_read, origins)
    if not len(readable):
        raise DataError(
            f"{part}: expected a readable image, found {len(looked)} damaged or missing ones"
        )
    if part == TRAIN:
        _check_every_class(readable, everything, labels)
    return readable


def _targets(rows: Rows, part: str, labels: tuple[str, ...], multi_label: bool) -> list[Target]:
    index = {label: number for number, label in enumerate(labels)}
    for name, each in zip(rows.names, rows.labels, strict=True):
        for label in each:
            if label not in index:
                known = ", ".join(labels[:5]) + (", …" if len(labels) > 5 else "")
                raise DataError(
                    f"label: expected one of {known}, found {label!r} at {name} ({part})"
                )
    if multi_label:
        return [tuple(sorted({index[label] for label in each})) for each in rows.labels]
    return [index[label] for (label,) in rows.labels]


def _digest(examples: Examples, row: int) -> bytes | str:
    """Return a digest of an image, or why it cannot be read.

    It is of size and pixels; of a large image, of its blocks' means, since copying all the pixels
    would take as long as decoding them.
    """
    try:
        image = examples.image(row)
    except OSError as error:
        return error.strerror or str(error)
    except backbone.ImageError as error:
        return str(error)
    size = repr(image.size).encode()
    side = math.ceil(math.sqrt(image.width * image.height / DIGEST_PIXELS))
    if side > 1:
        image = image.reduce(side)
    return hashlib.sha256(size + image.tobytes()).digest()


def _check_every_class(readable: Examples, everything: Examples, labels: tuple[str, ...]) -> None:
    present = {index for target in readable.targets for index in indices(target)}
    for number, label in enumerate(labels):
        if number not in present:
            damaged = sum(number in indices(target) for target in everything.targets)
            if damaged:
                raise DataError(
                    f"class {label!r}: expected a readable image, found {damaged} damaged ones"
                )
            raise DataError(f"class {label!r}: expected images, found none")
