"""Tables of a study's finished cells, in Markdown and as JSON."""

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
        validation: that of the chosen hyperparameters on the validation part; None without a
            search.
        chosen: the chosen hyperparameters by name.
        ends: those of them that lie at an end of their grid, each "lowest" or "highest".
        parameters: all numbers that were trained, the head's included.
    """

    curve: str
    value: str
    data: str
    seed: int
    accuracy: float
    validation: float | None
    chosen: dict[str, float]
    ends: dict[str, str]
    parameters: int
    seconds: float


@dataclass(frozen=True)
class About:
    """What a report says beside its numbers.

    Attributes:
        trials: of each search; 0 where hyperparameters were given.
        added: what was added to the protocol after the first training.
    """

    data: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: int
    protocol: str
    added: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Row:
    """One place on a curve, over seeds.

    Attributes:
        accuracy: for each data set its mean over seeds, in [0, 1], and their mean under MEAN where
            the place is measured on all data sets.
        spread: likewise the sample standard deviation over seeds; 0 for a single one.
        chosen: for each data set the chosen hyperparameters, with their ends.
        parameters: trained, the mean over data sets, whose heads differ.
    """

    curve: str
    value: str
    accuracy: dict[str, float]
    spread: dict[str, float]
    chosen: dict[str, str]
    parameters: int


def rows(cells: Iterable[CellResult], data: Sequence[str]) -> list[Row]:
    """Gather cells by place, in the order in which the places first occur.

    Args:
        data: all data sets of the study.
    """
    places: dict[tuple[str, str], list[CellResult]] = {}
    for cell in cells:
        places.setdefault((cell.curve, cell.value), []).append(cell)
    return [_row(curve, value, found, data) for (curve, value), found in places.items()]


def _row(curve: str, value: str, cells: list[CellResult], data: Sequence[str]) -> Row:
    by_data: dict[str, list[float]] = {}
    for cell in cells:
        by_data.setdefault(cell.data, []).append(cell.accuracy)
    accuracy = {data: fmean(found) for data, found in by_data.items()}
    spread = {data: _deviation(found) for data, found in by_data.items()}
    if by_data.keys() == set(data):  # else the mean would be one over easier or harder tasks
        accuracy[MEAN] = fmean(accuracy.values())
        spread[MEAN] = _deviation(_means_by_seed(cells))
    chosen = {cell.data: _chosen(cell) for cell in cells}
    parameters = round(fmean(cell.parameters for cell in cells))
    return Row(curve, value, accuracy, spread, chosen, parameters)


def _chosen(cell: CellResult) -> str:
    marks = {"lowest": " ↓", "highest": " ↑"}
    return ", ".join(
        f"{name} {value:g}{marks.get(cell.ends.get(name, ''), '')}"
        for name, value in cell.chosen.items()
    )


def _means_by_seed(cells: list[CellResult]) -> list[float]:
    """Return the mean over data sets for each seed that has them all."""
    by_seed: dict[int, list[float]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(cell.accuracy)
    most = max(len(found) for found in by_seed.values())
    return [fmean(found) for found in by_seed.values() if len(found) == most]


def _deviation(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def markdown(study: Study, found: Sequence[Row], about: About) -> str:
    """Return a table of accuracies with one line for each place, and one of what was chosen.

    Accuracy in percent, mean ± standard deviation over seeds.
    """
    columns = [*about.data, *([MEAN] if len(about.data) > 1 else [])]
    accuracies = [
        [row.curve, row.value, *_accuracies(row, columns, len(about.seeds)), f"{row.parameters:,}"]
        for row in found
    ]
    parts = [
        f"# Ablation: {study.axis}",
        f"    {about.command}",
        f"Accuracy on held-out images in percent, {_over(about.seeds)}. {_searched(about)} "
        f"Protocol {about.protocol[:12]}.",
        *(f"Added later: {added}." for added in about.added),
        _table(["curve", study.axis, *columns, "trained parameters"], accuracies),
    ]
    if about.trials:
        chosen = [
            [row.curve, row.value, *(row.chosen.get(data, "–") for data in about.data)]
            for row in found
        ]
        parts += [
            "## Chosen",
            "↓ and ↑: the lowest or highest value of its grid.",
            _table(["curve", study.axis, *about.data], chosen),
        ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


def _searched(about: About) -> str:
    if not about.trials:
        return "Hyperparameters were given, not searched."
    return (
        f"Each place on each task has its own search of {about.trials} trials on a validation part "
        f"with seed {about.seeds[0]}; the held-out part was sealed meanwhile."
    )


def _accuracies(row: Row, columns: Sequence[str], seeds: int) -> list[str]:
    return [_percent(row, name, seeds) if name in row.accuracy else "–" for name in columns]


def _percent(row: Row, name: str, seeds: int) -> str:
    spread = f" ± {100 * row.spread[name]:.1f}" if seeds > 1 else ""
    return f"{100 * row.accuracy[name]:.1f}{spread}"


def _over(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one training each (seed {seeds[0]})"
    return f"mean ± standard deviation over {len(seeds)} seeds ({', '.join(map(str, seeds))})"


def as_json(
    study: Study, found: Sequence[Row], cells: Sequence[CellResult], about: About
) -> dict[str, Any]:
    """Return rows and single cells."""
    return {
        "study": study.name,
        "axis": study.axis,
        "about": asdict(about),
        "rows": [asdict(row) for row in found],
        "cells": [asdict(cell) for cell in cells],
    }
