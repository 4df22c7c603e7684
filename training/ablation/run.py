"""A whole study: its cells in order, each trained unless it is finished, then table and figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facet_vision.common.figures import save
from facet_vision.prompts_store import durable
from facet_vision.training.errors import DataError, TrainingError
from facet_vision.training.load_cache import Sources
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results

from .cells import run, setting
from .figure import draw
from .report import Measured, as_json, markdown, rows
from .studies import Facts, Point, Study, check_settings, plan, recipe_of


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
    settings: RecipeOverrides
    device: str


@dataclass(frozen=True)
class Cell:
    """One training."""

    point: Point
    recipe: Recipe


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
    sources = Sources(wanted.device)
    cells = [
        cell
        for source in wanted.data
        for seed in wanted.seeds
        for cell in _cells(wanted, source, seed, sources)
    ]
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / f"{wanted.study.name}.jsonl")
    measured = []
    for number, cell in enumerate(cells, start=1):
        outcome, line = _measure(cell, results, sources)
        report(f"[{number}/{len(cells)}] {line}")
        measured += [] if outcome is None else [_measured(cell, outcome)]
    if not measured:
        raise TrainingError(
            f"study {wanted.study.name}: expected a training that succeeds, found none"
        )
    return write(wanted, measured, out), len(cells) - len(measured)


def _cells(wanted: Wanted, source: str, seed: int, sources: Sources) -> Iterator[Cell]:
    """The cells of one data set and seed; what is wrong with them comes out here, before the first training."""
    common = recipe_of(Point("", "", "linear"), wanted.settings, source, seed)
    data = sources.data(common)
    if data.multi_label:
        raise DataError(
            f"data: expected one label for each image, found the multi-label set {source}"
        )
    # where backbones are compared there is no common one
    layers = len(sources.backbone(common).layer_dims) if wanted.study.of_prompts else 0
    points = plan(wanted.study, wanted.methods, wanted.values, Facts(layers, len(data.labels)))
    check_settings(wanted.settings, wanted.study.name, points)
    for point in points:
        cell = Cell(point, recipe_of(point, wanted.settings, source, seed))
        sources.backbone(cell.recipe)
        yield cell


def _measure(cell: Cell, results: Results, sources: Sources) -> tuple[dict[str, float] | None, str]:
    """The outcome of a cell, found or trained, and a line about it; None where the training failed."""
    point, recipe = cell.point, cell.recipe
    name = " ".join(
        part for part in (recipe.data, point.curve, point.value, f"seed {recipe.seed}") if part
    )
    data, backbone = sources.data(recipe), sources.backbone(recipe)
    key = setting(point, recipe, data, backbone)
    outcome = results.find(key)
    if outcome is not None:
        return outcome, f"{name}: accuracy {outcome['accuracy']:.3f} (finished before)"
    try:
        outcome = run(point, recipe, data, backbone)
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
    durable.replace(
        numbers, (json.dumps(as_json(study, found, measured), indent=2) + "\n").encode()
    )
    save(draw(study, found, wanted.data), figure)
    return [table, numbers, figure]
