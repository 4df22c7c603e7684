"""A whole comparison: the trainings that are missing, then the report."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from facet_vision.backbone import Backbone
from facet_vision.training.comparison.reporting.report import write
from facet_vision.training.errors import TrainingError
from facet_vision.training.load_cache import Sources
from facet_vision.training.results import Results

from .cells import trained
from .plan import Entry, Plan
from .records import Comparison, Trained
from .schedule import Finished, Say, Schedule
from .workers import fitting_jobs, workers

CELLS = "cells.jsonl"
"""The finished trainings, in the folder of the report."""


@dataclass(frozen=True)
class Options:
    """How it runs, none of which decides a result.

    Attributes:
        jobs: trainings side by side; None for as many as fit.
        train: False to report what is finished.
        command: the command line, for the report.
    """

    device: str
    jobs: int | None
    train: bool
    command: str


def compare(plan: Plan, out: Path, options: Options, say: Say) -> tuple[list[Path], int]:
    """Train what is missing, then write the report.

    Args:
        out: folder; created if need be.
        say: gets one line for every training.

    Returns:
        The files, and how many final trainings are missing; they are tried again by the next run.

    Raises:
        TrainingError: something is wrong with what is wanted, or nothing is finished.
    """
    plan.check()
    sources = Sources(options.device)
    backbone = _only_backbone(plan, sources)
    about = {
        source: sources.data(plan.recipe(plan.methods[0], source)).summary
        for source in plan.sources
    }
    out.mkdir(parents=True, exist_ok=True)
    finished = Finished(Results(out / CELLS), about, backbone)
    entries = list(plan.entries())
    if options.train:
        jobs = options.jobs or fitting_jobs(backbone)
        with workers(jobs, options.device) as run:
            Schedule(entries, finished, say).drive(run, jobs)
    cells = tuple(cell for entry in entries for cell in _trained(entry, finished))
    if not cells:
        raise TrainingError("comparison: expected a training that succeeds, found none")
    files = write(_comparison(plan, finished, cells, options.command), out)
    return files, sum(len(entry.seeds) for entry in entries) - len(cells)


def _only_backbone(plan: Plan, sources: Sources) -> Backbone:
    recipes = [entry.recipe for entry in plan.entries()]
    if len({(recipe.backbone, recipe.checkpoint) for recipe in recipes}) > 1:
        raise TrainingError(
            "backbone: expected one for all methods, found several in the recipe's tables"
        )
    return sources.backbone(recipes[0])


def _trained(entry: Entry, finished: Finished) -> Iterator[Trained]:
    finals, validation = finished.finals(entry)
    for recipe in finals:
        outcome = finished.find(recipe)
        if outcome is not None:
            yield trained(recipe, validation, outcome)


def _comparison(
    plan: Plan, finished: Finished, cells: tuple[Trained, ...], command: str
) -> Comparison:
    backbone = finished.backbone
    return Comparison(
        backbone=backbone.name,
        fingerprint=backbone.fingerprint,
        backbone_parameters=sum(parameter.numel() for parameter in backbone.model.parameters()),
        groups=plan.groups,
        methods=plan.methods,
        seeds=plan.seeds,
        cells=cells,
        command=command,
        about={**finished.about, **_searches(plan), **_machine(backbone)},
    )


def _searches(plan: Plan) -> dict[str, str]:
    found = {method: plan.recipe(method, plan.sources[0]).search for method in plan.methods}
    return {f"search of {method}": search for method, search in found.items() if search}


def _machine(backbone: Backbone) -> dict[str, str]:
    return {"machine": f"{_processor()}, {backbone.device.type}", "torch": torch.__version__}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
