"""What a comparison hands to its report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trained:
    """One final training.

    Attributes:
        accuracy: on held-out test images, in [0, 1].
        validation: accuracy of the chosen hyperparameters on the validation part, where there was a choice.
        parameters: all numbers that were trained, the head's included.
        seconds: wall time of this training.
        peak_bytes: peak memory above what the process held before the training.
        chosen: the chosen hyperparameters by their names.
        served: whether the result can be served from the shared backbone.
    """

    method: str
    task: str
    seed: int
    accuracy: float
    validation: float | None
    parameters: int
    head_parameters: int
    seconds: float
    images_per_second: float
    peak_bytes: int
    chosen: dict[str, float]
    training_images: int
    served: bool


@dataclass(frozen=True)
class Comparison:
    """Everything that a report says, and nothing that it works out itself.

    Attributes:
        backbone_parameters: numbers in the backbone, without any head.
        groups: the tasks of each group, as the paper's Natural, Specialized and Structured.
        methods: in the order of the tables.
        cells: may lack some: the run goes on, or a training failed.
        command: the command line that made it.
        about: further facts to print, by their names.
    """

    backbone: str
    fingerprint: str
    backbone_parameters: int
    groups: dict[str, tuple[str, ...]]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[Trained, ...]
    command: str
    about: dict[str, str]
