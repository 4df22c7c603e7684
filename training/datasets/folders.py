"""Folders of class folders.

    flowers/rose/1.jpg …                      the held-out part is drawn from every class
    flowers/train/rose/1.jpg …                the held-out part is what lies in test/, else in val/
    flowers/test/rose/9.jpg …

Images are files, at any depth of a class folder, whose suffix is that of a format the server reads.
Hidden files and folders are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import backbone
from backbone.preprocess import FORMATS
from training.errors import DataError

from .examples import Examples, TaskData

TEST_FOLDERS = ("test", "val", "valid", "validation")


def load_folder(root: Path, *, seed: int, holdout: float) -> TaskData:
    """Load images in class folders; unreadable ones are left out and named.

    Raises:
        DataError: no images, fewer than two classes, a class without a readable image, or a class that
            is too small to hold some of it out.
    """
    if not 0 < holdout < 1:
        raise DataError(f"holdout: expected a share between 0 and 1, found {holdout:g}")
    parts = _parts(root)
    labels = _labels(parts[0])
    skipped: list[str] = []
    train = _read(parts[0], labels, skipped)
    if len(parts) == 2:
        test = _read(parts[1], _known(parts[1], labels), skipped, labels)
    else:
        train, test = split(train, labels, seed=seed, holdout=holdout)
    description = f"folder {root.resolve().name}, {len(train)} training and {len(test)} held-out images"
    return TaskData(train, test, labels, description, tuple(skipped))


def split(examples: Examples, labels: Sequence[str], *, seed: int, holdout: float) -> tuple[Examples, Examples]:
    """Hold out the same share of every class (at least one image, never all), drawn by `seed`."""
    targets = np.asarray(examples.targets)
    held_out: list[int] = []
    for target, label in enumerate(labels):
        members = np.flatnonzero(targets == target)
        if len(members) < 2:
            raise DataError(f"class {label!r}: expected at least 2 readable images to hold one out, found 1")
        count = min(max(1, round(holdout * len(members))), len(members) - 1)
        held_out += np.random.default_rng([seed, target]).permutation(members)[:count].tolist()
    kept = np.setdiff1d(np.arange(len(targets)), held_out).tolist()
    return examples.take(kept), examples.take(sorted(held_out))


def _parts(root: Path) -> list[Path]:
    """The folders that hold the class folders: one to be split, or training and held-out part."""
    train = root / "train"
    # a class may be called "train": then images, not class folders, lie in it
    if not train.is_dir() or not _subfolders(train):
        return [root]
    tests = [root / name for name in TEST_FOLDERS if (root / name).is_dir()]
    return [train, *tests[:1]]


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _labels(folder: Path) -> tuple[str, ...]:
    labels = tuple(child.name for child in _subfolders(folder))
    if not any(_image_files(folder / label) for label in labels):
        raise DataError(f"data: expected images in class folders, found none in {folder}")
    if len(labels) < 2:
        raise DataError(f"data: expected at least 2 class folders, found only {labels[0]!r} in {folder}")
    return labels


def _known(folder: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of the held-out part, each of which must be among `labels`."""
    found = tuple(child.name for child in _subfolders(folder))
    unknown = [label for label in found if label not in labels]
    if unknown:
        raise DataError(f"data: expected the classes of train/ in {folder.name}/, found {unknown[0]!r} as well")
    if not found:
        raise DataError(f"data: expected class folders in {folder.name}/, found none")
    return found


def _read(folder: Path, classes: Sequence[str], skipped: list[str], labels: Sequence[str] | None = None) -> Examples:
    """All readable images of `classes`; targets index `labels`, which are the classes unless given."""
    images: list[Path] = []
    targets: list[int] = []
    for label in classes:
        readable = _readable(folder / label, skipped)
        images += readable
        targets += [(labels or classes).index(label)] * len(readable)
    return Examples(images, targets)


def _readable(folder: Path, skipped: list[str]) -> list[Path]:
    """The images of one class that can be decoded; the others are added to `skipped`."""
    files = _image_files(folder)
    if not files:
        raise DataError(f"class {folder.name!r}: expected images, found none in {folder}")
    with ThreadPoolExecutor() as pool:
        faults = list(pool.map(_fault, files))
    skipped += [f"{file}: {fault}" for file, fault in zip(files, faults, strict=True) if fault]
    readable = [file for file, fault in zip(files, faults, strict=True) if not fault]
    if not readable:
        raise DataError(f"class {folder.name!r}: expected a readable image, found {len(files)} damaged ones")
    return readable


def _fault(file: Path) -> str | None:
    try:
        backbone.decode_image(file.read_bytes())
    except (backbone.ImageError, OSError) as error:
        return str(error)
    return None


def _image_files(folder: Path) -> list[Path]:
    suffixes = _suffixes()
    return sorted(file for file in _visible_files(folder) if file.suffix.lower() in suffixes)


def _visible_files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        inner = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(".") for part in inner):
            yield file


def _suffixes() -> set[str]:
    return {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
