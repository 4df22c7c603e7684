"""Loading of any data set from the text that names its source.

digits, count, …                 a set of the package (see `named`)
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


def has_columns(source: str | Path) -> bool:
    """Return whether a source is a table or a Hugging Face data set, which have columns."""
    text = str(source)
    is_table = text.lower().endswith(SUFFIXES) and not Path(source).is_dir()
    return is_table or text.startswith(HUGGING_FACE)


def load(
    source: str | Path, *, seed: int = 0, holdout: float = 0.2, columns: Columns | None = None
) -> TaskData:
    """Load the data set that `source` names.

    Names win over paths: a folder called `digits` is reached as `./digits`.

    Args:
        seed: draws the held-out part of a source that has none; that of named sets is fixed.
        holdout: share of each class to hold out of a source without such a part.
        columns: of a table or a Hugging Face data set.

    Raises:
        DataError: there is no such source, or nothing can be learned from it.
    """
    columns = columns or Columns()
    text = str(source)
    if text.startswith(HUGGING_FACE):
        name = text.removeprefix(HUGGING_FACE)
        return load_huggingface(name, columns, seed=seed, holdout=holdout)
    if has_columns(source):
        return load_table(Path(source), columns, seed=seed, holdout=holdout)
    columns.check_unused(text)
    if text in NAMED:
        return NAMED[text]()
    if text.startswith(TORCHVISION):
        name, _, root = text.removeprefix(TORCHVISION).partition(":")
        return load_torchvision(name, Path(root), seed=seed, holdout=holdout)
    if not Path(source).is_dir():
        raise DataError(
            f"data: expected a folder, a table ({', '.join(SUFFIXES)}), torchvision:NAME:FOLDER, "
            f"hf:NAME or one of {', '.join(NAMED)}, found {text!r}"
        )
    return load_folder(Path(source), seed=seed, holdout=holdout)
