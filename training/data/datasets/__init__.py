"""Data sets: every source becomes labelled images in a part to learn from and a part held out."""

from .balance import balance
from .columns import Columns
from .examples import Encoded, Examples, Stored, Target, TaskData, indices
from .sources import load
from .splits import for_selection, take_fraction, take_shots, with_all_training, with_validation

__all__ = [
    "Columns",
    "Encoded",
    "Examples",
    "Stored",
    "Target",
    "TaskData",
    "balance",
    "for_selection",
    "indices",
    "load",
    "take_fraction",
    "take_shots",
    "with_all_training",
    "with_validation",
]
