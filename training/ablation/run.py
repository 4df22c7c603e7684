"""One run of a study: the missing trainings, then table and figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facet_vision.common.figures import save
from facet_vision.prompts_store import durable
from facet_vision.training.data.remarks import remarks
from facet_vision.training.errors import DataError, TrainingError
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results

from .cells import run, setting
from .figure import draw
from .report import CellResult, as_json, markdown, rows
from .studies import Facts, Point, Study, check_overrides, points_of, recipe_of


@dataclass(frozen=True)
class StudyPlan:
    """The scope of a study.

    Attributes:
        data: sources as `facet train` takes them.
        methods, values: empty for the study's own.
        overrides: hyperparameters of a recipe file and of flags.
        device: of the backbone.
    """

    study: Study
    data: tuple[str, ...]
    methods: tuple[str, ...]
    values: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: RecipeOverrides
    device: str


@dataclass(frozen=True)
class Cell:
    """One training: its place in the study and its complete recipe."""

    point: Point
    recipe: Recipe


def run_study(plan: StudyPlan, out: Path, report: Callable[[str], None]) -> tuple[list[Path], int]:
    """Train what is missing and write NAME.md, NAME.json and NAME.png.

    They are written beside NAME.jsonl, the finished cells.

    Args:
        out: folder; created where it is missing.
        report: receives one line about each cell, and about what deserves attention.

    Returns:
        The files, and how many cells failed; the next run tries these again.

    Raises:
        TrainingError: the plan is not usable, or no cell succeeded.
    """
    cache = LoadCache(plan.device)
    cells: list[Cell] = []
    for source in plan.data:
        for seed in plan.seeds:
            cells += _cells(plan, source, seed, cache)
        for sentence in remarks(cache.data(cells[-1].recipe)):
            report(f"{source}: {sentence}")
    plan.overrides.check_read((cell.recipe for cell in cells), f"the study {plan.study.name}")
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / f"{plan.study.name}.jsonl")
    measured = []
    for number, cell in enumerate(cells, start=1):
        outcome, line = _measure(cell, results, cache)
        report(f"[{number}/{len(cells)}] {line}")
        if outcome is not None:
            measured.append(_result(cell, outcome))
    if not measured:
        raise TrainingError(
            f"study {plan.study.name}: expected a training that succeeds, found none"
        )
    report(f"writing the report, {out / plan.study.name}.md")
    return write(plan, measured, out), len(cells) - len(measured)


def _cells(plan: StudyPlan, source: str, seed: int, cache: LoadCache) -> Iterator[Cell]:
    """Yield the cells of one data set and seed.

    All of them are made before the first training, so that mistakes are found early.
    """
    common = recipe_of(Point("", "", "linear"), plan.overrides, source, seed)
    data = cache.data(common)
    if data.multi_label:
        raise DataError(
            f"data: expected one label for each image, found the multi-label set {source}"
        )
    # Where backbones are compared there is no common one.
    layers = len(cache.backbone(common).layer_dims) if plan.study.of_prompts else 0
    facts = Facts(layers, len(data.labels))
    points = points_of(plan.study, plan.methods, plan.values, facts)
    check_overrides(plan.overrides, plan.study.name, points)
    for point in points:
        cell = Cell(point, recipe_of(point, plan.overrides, source, seed))
        cache.backbone(cell.recipe)  # loaded now, because it may not exist
        yield cell


def _measure(cell: Cell, results: Results, cache: LoadCache) -> tuple[dict[str, float] | None, str]:
    """Find the outcome of a cell or train it; None where the training failed.

    Returns:
        The outcome, and a line about it.
    """
    point, recipe = cell.point, cell.recipe
    parts = (recipe.data, point.curve, point.value, f"seed {recipe.seed}")
    name = " ".join(part for part in parts if part)
    data, backbone = cache.data(recipe), cache.backbone(recipe)
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


def _result(cell: Cell, outcome: dict[str, float]) -> CellResult:
    return CellResult(
        curve=cell.point.curve,
        value=cell.point.value,
        data=cell.recipe.data,
        seed=cell.recipe.seed,
        accuracy=outcome["accuracy"],
        parameters=int(outcome["parameters"]),
        seconds=outcome["seconds"],
    )


def write(plan: StudyPlan, measured: Sequence[CellResult], out: Path) -> list[Path]:
    """Write table, numbers and figure of finished cells into the folder."""
    study, found = plan.study, rows(measured)
    table, numbers, figure = (out / f"{study.name}.{kind}" for kind in ("md", "json", "png"))
    durable.replace(table, markdown(study, found, plan.data, plan.seeds).encode())
    encoded = json.dumps(as_json(study, found, measured), indent=2) + "\n"
    durable.replace(numbers, encoded.encode())
    save(draw(study, found, plan.data), figure)
    return [table, numbers, figure]
