"""One run of the study: the missing trainings, then table and numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import durable
from facet_vision.training.data.datasets import Examples, TaskData, take_shots
from facet_vision.training.data.reading import read_data
from facet_vision.training.errors import TrainingError
from facet_vision.training.load_cache import backbone_of
from facet_vision.training.methods import find
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results

from .cells import run, setting
from .report import CellResult, as_json, markdown
from .split import Split, split

FAR_IMAGES = 40
"""Held-out images of each other data set, which are of no class of this one."""


@dataclass(frozen=True)
class UnseenPlan:
    """The scope of the study.

    Attributes:
        data: sources as `facet train` takes them.
        methods: that can be served.
        overrides: hyperparameters of a recipe file and of flags.
        device: of the backbone.
        command: by which the study is run, for the report.
    """

    data: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: RecipeOverrides
    device: str
    command: str


def run_study(plan: UnseenPlan, out: Path, report: Callable[[str], None]) -> list[Path]:
    """Train what is missing and write README.md and unseen.json beside cells.jsonl.

    Args:
        out: folder; created where it is missing.
        report: receives one line about each cell.

    Raises:
        TrainingError: the plan is not usable, or a training failed.
    """
    recipes = [
        plan.overrides.recipe(method, _fixed(plan, plan.seeds[0])) for method in plan.methods
    ]
    plan.overrides.check(plan.methods, (), "facet unseen")
    for recipe in recipes:
        _check(recipe)
    backbone = backbone_of(recipes[0], plan.device)
    sources = {source: _read(recipes[0], source) for source in plan.data}
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / "cells.jsonl")
    measured = []
    for source in plan.data:
        for recipe, parts in _trainings(plan, source, sources[source]):
            outcome = _measure(recipe, parts, _far(sources, source), backbone, results)
            accuracy, seconds = outcome["accuracy"], outcome["seconds"]
            report(
                f"{source} {recipe.method} seed {recipe.seed}: accuracy {accuracy:.3f}"
                f" ({seconds:.0f} s)"
            )
            measured.append(CellResult(source, recipe.method, recipe.seed, outcome))
    return _write(plan, measured, backbone, out)


def _check(recipe: Recipe) -> None:
    if not find(recipe.method).served:
        raise TrainingError(f"methods: expected those that can be served, found {recipe.method!r}")
    for name in ("search", "patience"):
        if (value := getattr(recipe, name)) is not None:
            raise TrainingError(
                f"{name}: expected no value, which facet unseen does not use, found {value!r}"
            )


def _read(recipe: Recipe, source: str) -> TaskData:
    """Read all of a source; shots are taken once classes have been kept out."""
    return read_data(recipe.model_copy(update={"data": source, "shots": None}))


def _fixed(plan: UnseenPlan, seed: int, source: str = "") -> dict[str, object]:
    return {"data": source or plan.data[0], "task": "unseen", "seed": seed}


def _trainings(plan: UnseenPlan, source: str, data: TaskData) -> Iterator[tuple[Recipe, Split]]:
    for seed in plan.seeds:
        parts = split(data, seed)
        for method in plan.methods:
            recipe = plan.overrides.recipe(method, _fixed(plan, seed, source))
            known = parts.known
            if recipe.shots is not None:
                known = take_shots(known, recipe.shots, seed)
            yield recipe, replace(parts, known=known)


def _far(sources: Mapping[str, TaskData], own: str) -> Examples:
    far = Examples([], [])
    for source, data in sources.items():
        if source != own:
            far = far.joined(data.test.take(range(min(FAR_IMAGES, len(data.test)))))
    return far


def _measure(
    recipe: Recipe, parts: Split, far: Examples, backbone: Backbone, results: Results
) -> dict[str, float]:
    """Find the outcome of a cell, or train it."""
    key = setting(recipe, parts, far, backbone)
    outcome = results.find(key)
    if outcome is None:
        outcome = run(recipe, parts, far, backbone)
        results.add(key, outcome)
    return outcome


def _write(
    plan: UnseenPlan, measured: list[CellResult], backbone: Backbone, out: Path
) -> list[Path]:
    table, numbers = out / "README.md", out / "unseen.json"
    durable.replace(table, markdown(measured, backbone.name, plan.command).encode())
    document = as_json(measured) | {"backbone": backbone.name, "fingerprint": backbone.fingerprint}
    durable.replace(numbers, (json.dumps(document, indent=2) + "\n").encode())
    return [table, numbers]
