"""Errors of this room.

    TrainingError        a method, recipe or output path that cannot be used
    ├─ DataError         a data set that nothing can be learned from
    ├─ CheckpointError   a file that is no training checkpoint, or one of another method
    └─ ExchangeError     what cannot be imported from another tool, or exported to one

    SealedPartError      a use of held-out images while hyperparameters are chosen: a fault of ours

Every message is one sentence that names the expected and the found value.
"""


class TrainingError(ValueError):
    """Training cannot start: the method, a value of the recipe or the output is not usable."""


class DataError(TrainingError):
    """The data set is missing, empty or too small."""


class SealedPartError(RuntimeError):
    """Held-out images were used while hyperparameters are chosen.

    It is no TrainingError, since a search would take that for a trial that failed.
    """


class CheckpointError(TrainingError):
    """The file is not a training checkpoint, or its tensors are not those of its method."""


class ExchangeError(TrainingError):
    """What another tool wrote cannot be a task, or a task cannot be exported."""
