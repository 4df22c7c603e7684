"""One way to every data set: `load` turns a source, named by text, into images with labels.

digits, count, …                 those of `named`
photos.csv, .tsv, .parquet       a table (see `tables`)
torchvision:CIFAR10:/data        files of torchvision (see `torchvision_sets`)
hf:NAME or hf:FOLDER             Hugging Face datasets (see `huggingface`)
photos                           a folder of class folders (see `folders`)
"""

from __future__ import annotations

from pathlib import Path

from facet_vision.training.errors import DataError

from .columns import Columns
from .examples import TaskData
from .folders import load_folder
from .huggingface import load_huggingface
from .named import NAMED
from .tables import SUFFIXES, load_table
from .torchvision_sets import load_torchvision

TORCHVISION, HUGGING_FACE = "torchvision:", "hf:"


def load(
    source: str | Path, *, seed: int = 0, holdout: float = 0.2, columns: Columns | None = None
) -> TaskData:
    """Load the data set that `source` names.

    Names come first: a folder called `digits` is reached as `./digits`.

    Args:
        seed: draws the held-out part of a source that has none; named sets have a fixed one.
        holdout: share of each class to hold out, likewise.
        columns: of a table or a Hugging Face data set.

    Raises:
        DataError: there is no such source, or nothing can be learned from it.
    """
    columns, text = columns or Columns(), str(source)
    if text.startswith(HUGGING_FACE):
        return load_huggingface(
            text.removeprefix(HUGGING_FACE), columns, seed=seed, holdout=holdout
        )
    if text.lower().endswith(SUFFIXES) and not Path(source).is_dir():
        return load_table(Path(source), columns, seed=seed, holdout=holdout)
    columns.check_unused(text)
    if text in NAMED:
        return NAMED[text]()
    if text.startswith(TORCHVISION):
        name, _, root = text.removeprefix(TORCHVISION).partition(":")
        return load_torchvision(name, Path(root), seed=seed, holdout=holdout)
    if not Path(source).is_dir():
        raise DataError(
            f"data: expected a folder, a table ({', '.join(SUFFIXES)}), torchvision:NAME:FOLDER, hf:NAME "
            f"or one of {', '.join(NAMED)}, found {text!r}"
        )
    return load_folder(Path(source), seed=seed, holdout=holdout)
