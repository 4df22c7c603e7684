"""One way to every data set: `load` turns a source, named by text, into images with labels.

A source is the name of a demo set, `digits`, or a folder of class folders (see `folders`).
"""

from __future__ import annotations

from pathlib import Path

from training.errors import DataError

from .examples import TaskData
from .folders import load_folder
from .named import NAMED


def load(source: str | Path, *, seed: int = 0, holdout: float = 0.2) -> TaskData:
    """Load the data set that `source` names.

    Names come first: a folder called `digits` is reached as `./digits`.

    Args:
        seed: draws the held-out part of a folder that has none; named sets have a fixed one.
        holdout: share of each class to hold out, likewise.

    Raises:
        DataError: there is no such source, or it holds fewer than two classes with two images.
    """
    if source in NAMED:
        return NAMED[str(source)]()
    if not Path(source).is_dir():
        raise DataError(f"data: expected a folder or one of {', '.join(NAMED)}, found {str(source)!r}")
    return load_folder(Path(source), seed=seed, holdout=holdout)
