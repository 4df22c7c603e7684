"""Records of a comparison, from which its report is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.grids import ends
from facet_vision.training.experiments.outcomes import Choice, Outcome
from facet_vision.training.methods import find
from facet_vision.training.recipe import Recipe
from facet_vision.training.tuning.search import chosen_values

ALL = "all"
"""Stands for the tasks of all groups."""


@dataclass(frozen=True)
class TrainingResult:
    """Result of one final training.

    Attributes:
        accuracy: on held-out test images, in [0, 1].
        validation: accuracy of the chosen hyperparameters on the validation part, in [0, 1]; None
            where there was no choice.
        parameters: all numbers that were trained, the head's included.
        seconds: wall time of this training.
        peak_bytes: peak memory above what the process held before the training; 0 where it could
            not be measured.
        chosen: the chosen hyperparameters by their names.
        ends: those of them that lie at an end of their grid, each "lowest" or "highest".
        held_out: a digest of the images that it was measured on.
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
    ends: dict[str, str]
    training_images: int
    held_out_images: int
    held_out: str
    served: bool


def record(recipe: Recipe, choice: Choice, outcome: Outcome) -> TrainingResult:
    """Make the record of a final training."""
    return TrainingResult(
        method=recipe.method,
        task=recipe.data,
        seed=recipe.seed,
        accuracy=outcome["score"],
        validation=choice.score,
        parameters=outcome["parameters"],
        head_parameters=outcome["head_parameters"],
        seconds=outcome["seconds"],
        images_per_second=outcome["images_per_second"],
        peak_bytes=outcome["peak_bytes"] or 0,
        chosen={} if recipe.search is None else chosen_values(recipe),
        ends=ends(recipe),
        training_images=outcome["training_images"],
        held_out_images=outcome["held_out_images"],
        held_out=outcome["held_out"],
        served=find(recipe.method).served,
    )


@dataclass(frozen=True)
class Comparison:
    """Everything that a report is computed from.

    Attributes:
        backbone_parameters: numbers in the backbone, without any head.
        groups: the tasks of each group, as the paper's Natural, Specialized and Structured.
        methods: in the order of the tables.
        cells: the finished trainings; some may be missing, because the run is not complete or a
            training failed.
        command: the command line that made it.
        protocol: digest of the protocol by which the cells were made.
        about: further facts to print, by their names.

    Raises:
        TrainingError: a task is in two groups, a cell occurs twice, a cell has a method, task or
            seed that is not one of these, or methods were measured on different images.
    """

    backbone: str
    fingerprint: str
    backbone_parameters: int
    groups: dict[str, tuple[str, ...]]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[TrainingResult, ...]
    command: str
    protocol: str
    about: dict[str, str]

    def __post_init__(self) -> None:
        _check_single("a task in one group", self.tasks)
        places = [(cell.method, cell.task, cell.seed) for cell in self.cells]
        _check_single("one cell of a method, task and seed", places)
        for cell in self.cells:
            _check_known("method", cell.method, self.methods)
            _check_known("task", cell.task, self.tasks)
            _check_known("seed", cell.seed, self.seeds)
        measured = {(cell.task, cell.seed, cell.held_out) for cell in self.cells}
        _check_single("one held-out part of a task and seed", [place[:2] for place in measured])

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, group by group."""
        return tuple(task for tasks in self.groups.values() for task in tasks)

    @property
    def scopes(self) -> dict[str, tuple[str, ...]]:
        """The tasks of each group, by its name, and those of all groups."""
        groups = self.groups if len(self.groups) > 1 else {}
        return {**groups, ALL: self.tasks}


def _check_single(what: str, values: Iterable[object]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise TrainingError(f"comparison: expected {what}, found {value!r} {count} times")


def _check_known(field: str, value: object, known: Iterable[object]) -> None:
    if value not in known:
        raise TrainingError(
            f"comparison: expected a {field} of {', '.join(map(str, known))}, found {value!r}"
        )
