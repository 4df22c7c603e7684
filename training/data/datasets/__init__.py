"""Data sets: labelled images with a training part and a held-out part.

`examples` defines what every source becomes; `sources` finds the loader of a source (`folders`,
`tables`, `huggingface`, `torchvision_sets`, `named`); `assemble` checks what they read; `splits`
draws parts; `balance` reports class sizes.
"""

from .balance import balance
from .columns import Columns
from .examples import Encoded, Examples, Origin, Stored, Target, TaskData, indices
from .sealed import SEALED
from .sources import has_columns, load
from .splits import for_selection, take_fraction, take_shots, with_all_training, with_validation

__all__ = [
    "SEALED",
    "Columns",
    "Encoded",
    "Examples",
    "Origin",
    "Stored",
    "Target",
    "TaskData",
    "balance",
    "for_selection",
    "has_columns",
    "indices",
    "load",
    "take_fraction",
    "take_shots",
    "with_all_training",
    "with_validation",
]
