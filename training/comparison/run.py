"""One run of a comparison: the missing trainings, then the report."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from facet_vision.backbone import Backbone
from facet_vision.training.comparison.reporting.report import TEXT, write
from facet_vision.training.data.remarks import remarks
from facet_vision.training.errors import TrainingError
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.results import Results

from .cells import record
from .plan import Entry, Plan
from .records import Comparison, TrainingResult
from .schedule import Outcomes, Say, Schedule
from .workers import fitting_jobs, workers

CELLS = "cells.jsonl"
"""File of the finished trainings, in the folder of the report."""


@dataclass(frozen=True)
class Options:
    """Options of a run; none of them decides a result.

    Attributes:
        device: of the backbone.
        jobs: trainings side by side; None for as many as fit.
        train: False to report the finished trainings only.
        command: the command line, for the report.
    """

    device: str
    jobs: int | None
    train: bool
    command: str


def compare(plan: Plan, out: Path, options: Options, say: Say) -> tuple[list[Path], int]:
    """Train what is missing, then write the report.

    Args:
        out: folder; created where it is missing.
        say: receives one line about every training, and about what deserves attention.

    Returns:
        The files, and how many final trainings are missing; the next run tries these again.

    Raises:
        TrainingError: the plan is not usable, or no training succeeded.
    """
    plan.check()
    cache = LoadCache(options.device)
    backbone = _only_backbone(plan, cache)
    about = _summaries(plan, cache, say)
    out.mkdir(parents=True, exist_ok=True)
    outcomes = Outcomes(Results(out / CELLS), about, backbone)
    entries = list(plan.entries())
    if options.train:
        jobs = options.jobs or fitting_jobs(backbone)
        with workers(jobs, options.device) as run:
            Schedule(entries, outcomes, say).drive(run, jobs)
    cells = tuple(cell for entry in entries for cell in _finished(entry, outcomes))
    if not cells:
        raise TrainingError("comparison: expected a training that succeeds, found none")
    say(f"writing the report, {out / TEXT}")
    files = write(_comparison(plan, outcomes, cells, options.command), out)
    return files, sum(len(entry.seeds) for entry in entries) - len(cells)


def _summaries(plan: Plan, cache: LoadCache, say: Say) -> dict[str, str]:
    """Load every source once, say what is remarkable about it, and return what each contains.

    Any method's recipe will do: the summary does not depend on the method.
    """
    summaries = {}
    for source in plan.sources:
        data = cache.data(plan.recipe(plan.methods[0], source))
        for sentence in remarks(data):
            say(f"{source}: {sentence}")
        summaries[source] = data.summary
    return summaries


def _only_backbone(plan: Plan, cache: LoadCache) -> Backbone:
    recipes = [entry.recipe for entry in plan.entries()]
    if len({(recipe.backbone, recipe.checkpoint) for recipe in recipes}) > 1:
        raise TrainingError(
            "backbone: expected one for all methods, found several in the recipe's tables"
        )
    return cache.backbone(recipes[0])


def _finished(entry: Entry, outcomes: Outcomes) -> Iterator[TrainingResult]:
    """Yield the entry's final trainings that have succeeded."""
    finals, validation = outcomes.finals(entry)
    for recipe in finals:
        outcome = outcomes.find(recipe)
        if outcome is not None:
            yield record(recipe, validation, outcome)


def _comparison(
    plan: Plan, outcomes: Outcomes, cells: tuple[TrainingResult, ...], command: str
) -> Comparison:
    backbone = outcomes.backbone
    return Comparison(
        backbone=backbone.name,
        fingerprint=backbone.fingerprint,
        backbone_parameters=sum(parameter.numel() for parameter in backbone.model.parameters()),
        groups=plan.groups,
        methods=plan.methods,
        seeds=plan.seeds,
        cells=cells,
        command=command,
        about={**outcomes.about, **_searches(plan), **_machine(backbone)},
    )


def _searches(plan: Plan) -> dict[str, str]:
    found = {method: plan.recipe(method, plan.sources[0]).search for method in plan.methods}
    return {f"search of {method}": search for method, search in found.items() if search}


def _machine(backbone: Backbone) -> dict[str, str]:
    return {"machine": f"{_processor()}, {backbone.device.type}", "torch": torch.__version__}


def _processor() -> str:
    """Return the name of the processor's model, as far as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []  # not Linux
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
