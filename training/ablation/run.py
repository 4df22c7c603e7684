"""A whole study: its cells in order, each trained unless it is finished, then table and figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backbone import Backbone
from backbone import load as load_backbone
from prompts_store import durable
from training.datasets import TaskData
from training.datasets import load as load_data
from training.errors import TrainingError
from training.figures import save
from training.recipe import Recipe

from .cells import run, setting
from .figure import draw
from .report import Measured, as_json, markdown, rows
from .results import Results
from .settings import Settings
from .studies import Facts, Point, Study, plan

Load = Callable[[str, Path | None], Backbone]
"""A backbone of a name and a local checkpoint."""


@dataclass(frozen=True)
class Wanted:
    """What a study is to cover.

    Attributes:
        data: sources as `facet train` takes them.
        methods, values: empty for the study's own.
        device: of the backbone.
    """

    study: Study
    data: tuple[str, ...]
    methods: tuple[str, ...]
    values: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Settings
    device: str


@dataclass(frozen=True)
class Cell:
    point: Point
    recipe: Recipe
    data: TaskData
    backbone: Backbone


def run_study(wanted: Wanted, out: Path, report: Callable[[str], None]) -> tuple[list[Path], int]:
    """Train what is missing and write NAME.md, NAME.json and NAME.png beside NAME.jsonl, the finished cells.

    Args:
        out: folder; created if need be.
        report: gets one line for each cell.

    Returns:
        The files, and how many cells failed; these are tried again by the next run.

    Raises:
        TrainingError: something is wrong with what is wanted, or no cell succeeded.
    """
    load = cache(lambda name, checkpoint: load_backbone(name, checkpoint=checkpoint, device=wanted.device))
    total = sum(1 for _ in plan_cells(wanted, load))  # what is wrong comes out before the first training
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / f"{wanted.study.name}.jsonl")
    measured = []
    for number, cell in enumerate(plan_cells(wanted, load), start=1):
        outcome, line = _measure(cell, results)
        report(f"[{number}/{total}] {line}")
        measured += [] if outcome is None else [_measured(cell, outcome)]
    if not measured:
        raise TrainingError(f"study {wanted.study.name}: expected a training that succeeds, found none")
    return write(wanted, measured, out), total - len(measured)


def plan_cells(wanted: Wanted, load: Load) -> Iterator[Cell]:
    """Every cell of the study; images of one data set at a time are in memory."""
    for source in wanted.data:
        for seed in wanted.seeds:
            yield from _cells_of(wanted, source, seed, load)


def _cells_of(wanted: Wanted, source: str, seed: int, load: Load) -> Iterator[Cell]:
    common = wanted.settings.recipe(Point("", "", "linear"), source, seed)
    data = load_data(source, seed=seed, holdout=common.holdout)
    # where backbones are compared there is no common one
    layers = len(load(common.backbone, common.checkpoint).layer_dims) if wanted.study.of_prompts else 0
    points = plan(wanted.study, wanted.methods, wanted.values, Facts(layers, len(data.labels)))
    wanted.settings.check(wanted.study.name, points)
    for point in points:
        recipe = wanted.settings.recipe(point, source, seed)
        yield Cell(point, recipe, data, load(recipe.backbone, recipe.checkpoint))


def _measure(cell: Cell, results: Results) -> tuple[dict[str, float] | None, str]:
    """The outcome of a cell, found or trained, and a line about it; None where the training failed."""
    point, recipe = cell.point, cell.recipe
    name = " ".join(part for part in (recipe.data, point.curve, point.value, f"seed {recipe.seed}") if part)
    key = setting(point, recipe, cell.data, cell.backbone)
    outcome = results.find(key)
    if outcome is not None:
        return outcome, f"{name}: accuracy {outcome['accuracy']:.3f} (finished before)"
    try:
        outcome = run(point, recipe, cell.data, cell.backbone)
    except TrainingError as error:
        return None, f"{name}: failed: {error}"
    results.add(key, outcome)
    return outcome, f"{name}: accuracy {outcome['accuracy']:.3f} ({outcome['seconds']:.0f} s)"


def _measured(cell: Cell, outcome: dict[str, float]) -> Measured:
    point, recipe = cell.point, cell.recipe
    numbers = (outcome["accuracy"], int(outcome["parameters"]), outcome["seconds"])
    return Measured(point.curve, point.value, recipe.data, recipe.seed, *numbers)


def write(wanted: Wanted, measured: Sequence[Measured], out: Path) -> list[Path]:
    """Table, numbers and figure of finished cells."""
    study, found = wanted.study, rows(measured)
    table, numbers, figure = (out / f"{study.name}.{kind}" for kind in ("md", "json", "png"))
    durable.replace(table, markdown(study, found, wanted.data, wanted.seeds).encode())
    durable.replace(numbers, (json.dumps(as_json(study, found, measured), indent=2) + "\n").encode())
    save(draw(study, found, wanted.data), figure)
    return [table, numbers, figure]
