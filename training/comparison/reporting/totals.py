"""Costs of methods: numbers trained and stored, time and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from facet_vision.training.comparison.records import Comparison, TrainingResult

FULL = "full"
"""The paper's baseline; it alone stores a backbone for each task."""


@dataclass(frozen=True)
class Size:
    """Numbers of one method.

    Attributes:
        tuned: trained for a task, the head's included; the mean over tasks, whose heads differ.
        total: stored for all tasks, as a multiple of the backbone; None where a task is lacking.
    """

    tuned: float
    total: float | None


@dataclass(frozen=True)
class Cost:
    """Medians over one method's trainings.

    Attributes:
        relative_seconds, relative_bytes: to Full's of the same task and seed; None without Full.
    """

    seconds: float
    images_per_second: float
    peak_bytes: float
    relative_seconds: float | None
    relative_bytes: float | None


def size(comparison: Comparison, method: str) -> Size | None:
    """Return the sizes as in the paper's Table 1; None for a method without a training."""
    tuned = {cell.task: cell.parameters for cell in comparison.cells if cell.method == method}
    if not tuned:
        return None
    complete = len(tuned) == len(comparison.tasks)
    # What Full trains is a backbone for each task; every other method shares one.
    shared_backbones = 0 if method == FULL else 1
    stored = sum(tuned.values()) / comparison.backbone_parameters + shared_backbones
    return Size(fmean(tuned.values()), stored if complete else None)


def cost(comparison: Comparison, method: str) -> Cost | None:
    """Return the medians of a method's trainings; None for a method without any."""
    cells = [cell for cell in comparison.cells if cell.method == method]
    if not cells:
        return None
    full = {(cell.task, cell.seed): cell for cell in comparison.cells if cell.method == FULL}
    pairs = [(cell, full[cell.task, cell.seed]) for cell in cells if (cell.task, cell.seed) in full]
    return Cost(
        median(cell.seconds for cell in cells),
        median(cell.images_per_second for cell in cells),
        median(cell.peak_bytes for cell in cells),
        _ratio(pairs, lambda cell: cell.seconds),
        _ratio(pairs, lambda cell: cell.peak_bytes),
    )


def _ratio(
    pairs: Sequence[tuple[TrainingResult, TrainingResult]],
    value: Callable[[TrainingResult], float],
) -> float | None:
    ratios = [value(cell) / value(full) for cell, full in pairs if value(full)]
    return median(ratios) if ratios else None


def served(comparison: Comparison, method: str) -> bool:
    """Return whether the method's result can be served from the shared backbone."""
    return any(cell.served for cell in comparison.cells if cell.method == method)
