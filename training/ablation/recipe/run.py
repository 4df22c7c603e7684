"""One run over all stages: the missing trainings, then the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.workers import Run, first_finished, fitting_jobs, workers
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.methods import find
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results

from .report import write
from .stages import STAGES, Stage

Say = Callable[[str], None]

Cell = tuple[str, int]
"""A data source and a seed."""


@dataclass(frozen=True)
class RecipePlan:
    """The scope of a run.

    Attributes:
        method: whose recipe it is.
        data: sources as `facet train` takes them.
        overrides: hyperparameters of a recipe file and of flags, from which the first stage starts.
        device: of the backbone.
        jobs: trainings side by side; None for as many as fit.
    """

    method: str
    data: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: RecipeOverrides
    device: str
    jobs: int | None = None
    stages: tuple[Stage, ...] = STAGES

    def recipe(self, cell: Cell) -> Recipe:
        """Return the recipe that the first stage starts from."""
        source, seed = cell
        fixed = {"data": source, "task": "ablation", "seed": seed, "measure_on": "validation"}
        return self.overrides.recipe(self.method, fixed)

    def cells(self) -> list[Cell]:
        """Return all sources and seeds, seed by seed."""
        return [(source, seed) for seed in self.seeds for source in self.data]


@dataclass(frozen=True)
class StageResult:
    """Scores on the validation parts of one stage.

    Attributes:
        scores: of each alternative, by cell.
        chosen: the name of the one that is kept.
    """

    stage: Stage
    scores: Mapping[str, Mapping[Cell, float]]
    chosen: str


def ablate_recipe(plan: RecipePlan, out: Path, say: Say) -> list[Path]:
    """Compare the stages in order and write the report.

    Args:
        out: folder; finished trainings there are not repeated.
        say: receives a line about every training and every stage.

    Raises:
        TrainingError: the plan is not usable, or a training failed.
    """
    cache = LoadCache(plan.device)
    cells = plan.cells()
    recipes = {cell: plan.recipe(cell) for cell in cells}
    backbone = cache.backbone(recipes[cells[0]])
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / f"recipe-{plan.method}.jsonl")
    found: list[StageResult] = []
    jobs = plan.jobs or fitting_jobs(backbone)
    with workers(jobs, plan.device) as run:
        for stage in plan.stages:
            if not stage.is_read_by(plan.method):
                continue
            tried = {
                each.name: {cell: each.applied(recipe) for cell, recipe in recipes.items()}
                for each in stage.alternatives
            }
            scores = _scores(tried, results, backbone.fingerprint, run, jobs, say)
            chosen = best(scores)
            found.append(StageResult(stage, scores, chosen))
            recipes = tried[chosen]
            say(f"{stage.name}: {chosen}")
            write(plan.method, found, recipes[cells[0]], out)
    return write(plan.method, found, recipes[cells[0]], out)


def best(scores: Mapping[str, Mapping[Cell, float]]) -> str:
    """Return the alternative with the best mean over all cells; of equals the first."""
    return max(scores, key=lambda name: sum(scores[name].values()) / len(scores[name]))


def _scores(
    tried: Mapping[str, Mapping[Cell, Recipe]],
    results: Results,
    fingerprint: str,
    run: Run,
    jobs: int,
    say: Say,
) -> dict[str, dict[Cell, float]]:
    """Return the score of every alternative in every cell, after the missing trainings."""
    missing = {
        _key(recipe): (recipe, _setting(recipe, fingerprint))
        for cells in tried.values()
        for recipe in cells.values()
        if results.find(_setting(recipe, fingerprint)) is None
    }
    _train(list(missing.values()), results, run, jobs, say)
    found: dict[str, dict[Cell, float]] = {}
    for name, cells in tried.items():
        found[name] = {}
        for cell, recipe in cells.items():
            outcome = results.find(_setting(recipe, fingerprint))
            assert outcome is not None
            found[name][cell] = outcome["score"]
    return found


def _train(
    waiting: Sequence[tuple[Recipe, dict[str, Any]]],
    results: Results,
    run: Run,
    jobs: int,
    say: Say,
) -> None:
    queue = list(reversed(waiting))
    running: dict[Future[Any], tuple[Recipe, dict[str, Any]]] = {}
    done = 0
    while queue or running:
        while queue and len(running) < jobs:
            recipe, setting = queue.pop()
            running[run(recipe, None)] = recipe, setting
        for future in first_finished(set(running)):
            recipe, setting = running.pop(future)
            outcome = future.result()
            results.add(setting, outcome)
            done += 1
            say(
                f"[{done}/{len(waiting)}] {recipe.data} seed {recipe.seed}: "
                f"{outcome['score']:.3f} ({outcome['seconds']:.0f} s)"
            )


def _setting(recipe: Recipe, fingerprint: str) -> dict[str, Any]:
    """Return all that decides a score."""
    chosen = recipe.hyperparameters(find(recipe.method).reads())
    return {"data": recipe.data, "fingerprint": fingerprint, "recipe": chosen}


def _key(recipe: Recipe) -> str:
    return recipe.model_dump_json()


def check_plan(plan: RecipePlan) -> None:
    """Check a plan before anything is loaded.

    Raises:
        TrainingError: there is no data set or no seed, or a value is not allowed.
    """
    if not plan.data or not plan.seeds:
        raise TrainingError("recipe: expected at least one data set and one seed, found none")
    for cell in plan.cells():
        plan.recipe(cell)
