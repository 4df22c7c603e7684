"""Data sets of torchvision by name, from local files: `torchvision:CIFAR10:/data`.

Nothing is downloaded.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from facet_vision import backbone
from facet_vision.training.errors import DataError

from .assemble import PART_NAMES, TEST, TRAIN, Rows, assemble
from .examples import TaskData

SPLITS = {**PART_NAMES, "trainval": TRAIN}


@dataclass(frozen=True)
class Item:
    """One image of a torchvision data set."""

    dataset: Any
    index: int

    def decode(self, enough: int | None = None) -> Image.Image:  # noqa: ARG002  (the set itself decodes)
        try:
            image: Image.Image = self.dataset[self.index][0].convert("RGB")
        except Exception as error:  # the sets' readers raise different errors
            raise backbone.ImageError(
                f"image: expected a readable one, found damaged data ({error})"
            ) from error
        return image

    def encoded(self) -> None:
        return None


def load_torchvision(name: str, root: Path, *, seed: int, holdout: float) -> TaskData:
    """Load all parts that the set has.

    Raises:
        DataError: there is no such set, its files are not at `root`, or it does not hold labelled
            images.
    """
    parts = _parts(_find(name), name, root)
    labels = _labels(next(iter(parts.values())))
    rows = {part: _rows(dataset, part, name, labels) for part, dataset in parts.items()}
    return assemble(rows, f"torchvision {name}", seed=seed, holdout=holdout, labels=labels)


def _find(name: str) -> Any:
    from torchvision import datasets

    found = getattr(datasets, name, None)
    if not (inspect.isclass(found) and issubclass(found, datasets.VisionDataset)):
        raise DataError(f"data: expected the name of a data set of torchvision, found {name!r}")
    return found


def _parts(kind: Any, name: str, root: Path) -> dict[str, Any]:
    """Return the parts of a set by TRAIN, VALIDATION and TEST; a set without parts is all TRAIN."""
    parameters = inspect.signature(kind).parameters
    if "train" in parameters:
        return {part: _load_part(kind, name, root, train=part == TRAIN) for part in (TRAIN, TEST)}
    if "split" not in parameters:
        return {TRAIN: _load_part(kind, name, root)}
    parts: dict[str, Any] = {}
    for split, part in SPLITS.items():
        if part in parts:
            continue
        dataset = _load_part(kind, name, root, split=split)
        if dataset is not None:
            parts[part] = dataset
    if TRAIN not in parts:
        raise DataError(
            f"data: expected a set with a part to train on, found none in torchvision's {name}"
        )
    return parts


def _load_part(kind: Any, name: str, root: Path, **part: Any) -> Any:
    """Load one part; None where the set knows no split of this name."""
    try:
        return kind(root=str(root), **part)
    except ValueError as error:
        if "split" in part and "split" in str(error):
            return None
        raise DataError(_not_found(name, root, error)) from error
    except Exception as error:  # missing, damaged or other files
        raise DataError(_not_found(name, root, error)) from error


def _not_found(name: str, root: Path, error: Exception) -> str:
    reason = str(error).partition("\n")[0].partition(" You can use download=True")[0]
    return f"data: expected the files of torchvision's {name} in {root}, found a fault ({reason})"


def _labels(dataset: Any) -> tuple[str, ...] | None:
    """Return the names of the classes, where the set knows them."""
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    if names is None:
        return None
    return tuple(", ".join(name) if isinstance(name, tuple) else str(name) for name in names)


def _rows(dataset: Any, part: str, name: str, labels: tuple[str, ...] | None) -> Rows:
    rows = Rows()
    for index, target in enumerate(_targets(dataset, name)):
        known = labels is not None and 0 <= target < len(labels)
        label = labels[target] if labels and known else str(target)
        rows.add(Item(dataset, index), [label], f"{part} image {index}")
    return rows


def _targets(dataset: Any, name: str) -> list[int]:
    for attribute in ("targets", "labels", "_labels"):  # known without decoding the images
        found = getattr(dataset, attribute, None)
        if found is not None and len(found) == len(dataset):
            return [_number(target, name) for target in found]
    return [_number(dataset[index][1], name) for index in range(len(dataset))]


def _number(target: Any, name: str) -> int:
    try:
        return int(target)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"data: expected a label's number for each image of torchvision's {name}, "
            f"found {target!r}"
        ) from error
