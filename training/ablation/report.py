"""Table of a study's finished cells, in Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from .studies import Study

MEAN = "mean"
"""Stands for all data sets together."""


@dataclass(frozen=True)
class CellResult:
    """A finished cell: its place on a curve, its data set, and its measures.

    Attributes:
        accuracy: on held-out images, in [0, 1].
        parameters: all numbers that were trained, the head's included.
    """

    curve: str
    value: str
    data: str
    seed: int
    accuracy: float
    parameters: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """One place on a curve, over seeds.

    Attributes:
        accuracy: for each data set its mean over seeds, in [0, 1], and their mean under MEAN.
        spread: likewise the sample standard deviation over seeds; 0 for a single one.
        parameters: trained, the mean over data sets, whose heads differ.
    """

    curve: str
    value: str
    accuracy: dict[str, float]
    spread: dict[str, float]
    parameters: int


def rows(cells: Iterable[CellResult]) -> list[Row]:
    """Gather cells by place, in the order in which the places first occur."""
    places: dict[tuple[str, str], list[CellResult]] = {}
    for cell in cells:
        places.setdefault((cell.curve, cell.value), []).append(cell)
    return [_row(curve, value, found) for (curve, value), found in places.items()]


def _row(curve: str, value: str, cells: list[CellResult]) -> Row:
    by_data: dict[str, list[float]] = {}
    for cell in cells:
        by_data.setdefault(cell.data, []).append(cell.accuracy)
    accuracy = {data: fmean(found) for data, found in by_data.items()}
    accuracy[MEAN] = fmean(accuracy.values())
    spread = {data: _deviation(found) for data, found in by_data.items()}
    spread[MEAN] = _deviation(_means_by_seed(cells))
    return Row(curve, value, accuracy, spread, round(fmean(cell.parameters for cell in cells)))


def _means_by_seed(cells: list[CellResult]) -> list[float]:
    """Return the mean over data sets for each seed that has them all."""
    by_seed: dict[int, list[float]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(cell.accuracy)
    most = max(len(found) for found in by_seed.values())
    return [fmean(found) for found in by_seed.values() if len(found) == most]


def _deviation(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def markdown(study: Study, found: Sequence[Row], data: Sequence[str], seeds: Sequence[int]) -> str:
    """Return a table with one line for each place.

    Accuracy in percent, mean ± standard deviation over seeds.
    """
    columns = [*data, *([MEAN] if len(data) > 1 else [])]
    head = ["curve", study.axis, *columns, "trained parameters"]
    lines = [head, ["---", "---", *["---:"] * (len(columns) + 1)]]
    lines += [
        [row.curve, row.value, *_accuracies(row, columns, len(seeds)), f"{row.parameters:,}"]
        for row in found
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = f"Accuracy on held-out images in percent, {_over(seeds)}."
    return f"# Ablation: {study.axis}\n\n{about}\n\n{table}\n"


def _accuracies(row: Row, columns: Sequence[str], seeds: int) -> list[str]:
    return [_percent(row, name, seeds) if name in row.accuracy else "–" for name in columns]


def _percent(row: Row, name: str, seeds: int) -> str:
    spread = f" ± {100 * row.spread[name]:.1f}" if seeds > 1 else ""
    return f"{100 * row.accuracy[name]:.1f}{spread}"


def _over(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one training each (seed {seeds[0]})"
    return f"mean ± standard deviation over {len(seeds)} seeds ({', '.join(map(str, seeds))})"


def as_json(study: Study, found: Sequence[Row], cells: Sequence[CellResult]) -> dict[str, Any]:
    """Return rows and single cells."""
    return {
        "study": study.name,
        "axis": study.axis,
        "rows": [asdict(row) for row in found],
        "cells": [asdict(cell) for cell in cells],
    }
