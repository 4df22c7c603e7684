"""Folders of class folders.

    flowers/rose/1.jpg …                      the held-out part is drawn from every class
    flowers/train/rose/1.jpg …                the held-out part is in test/, else in val/;
    flowers/test/rose/9.jpg …                 beside test/, val/ is the validation part

Images are files, at any depth of a class folder, whose suffix is that of a format the server reads.
Hidden files and folders are skipped, and so are those that archives add, such as __MACOSX.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facet_vision.common.image_files import images_below, subfolders
from facet_vision.training.errors import DataError

from .assemble import PART_NAMES, TRAIN, Rows, assemble, normal
from .examples import TaskData


def load_folder(root: Path, *, seed: int, holdout: float) -> TaskData:
    """Load images in class folders; unreadable ones are skipped and named.

    Raises:
        DataError: no images, fewer than two classes, a class without a readable image, or a class
            that is too small to hold out a part of it.
    """
    folders = _parts(root)
    labels = _labels(folders[TRAIN])
    for part, folder in folders.items():
        if part != TRAIN:
            _check_known(folder, labels)
    parts = {part: _rows(folder) for part, folder in folders.items()}
    return assemble(
        parts, f"folder {root.resolve().name}", seed=seed, holdout=holdout, labels=labels
    )


def _parts(root: Path) -> dict[str, Path]:
    """Return the folders of class folders by part; a single one that must be split is TRAIN."""
    train = root / "train"
    # a class may be called "train": then the folder holds images, not class folders
    if not train.is_dir() or not subfolders(train):
        return {TRAIN: root}
    held_out = {PART_NAMES[name]: root / name for name in PART_NAMES if _held_out(root / name)}
    return {TRAIN: train, **held_out}


def _held_out(folder: Path) -> bool:
    return folder.is_dir() and PART_NAMES[folder.name] != TRAIN


def _labels(folder: Path) -> tuple[str, ...]:
    classes = subfolders(folder)
    labels = tuple(dict.fromkeys(normal(child.name) for child in classes))
    if not any(map(images_below, classes)):
        raise DataError(f"data: expected images in class folders, found none in {folder}")
    if len(labels) < 2:
        raise DataError(
            f"data: expected at least 2 class folders, found only {labels[0]!r} in {folder}"
        )
    return labels


def _check_known(folder: Path, labels: Sequence[str]) -> None:
    """Check that the classes of a held-out part are among `labels`."""
    found = [normal(child.name) for child in subfolders(folder)]
    unknown = [label for label in found if label not in labels]
    if unknown:
        raise DataError(
            f"data: expected the classes of train/ in {folder.name}/, found {unknown[0]!r} as well"
        )
    if not found:
        raise DataError(f"data: expected class folders in {folder.name}/, found none")


def _rows(folder: Path) -> Rows:
    rows = Rows()
    for child in subfolders(folder):
        files = images_below(child)
        if not files:
            raise DataError(f"class {child.name!r}: expected images, found none in {child}")
        for file in files:
            rows.add(file, [child.name], str(file))
    return rows
