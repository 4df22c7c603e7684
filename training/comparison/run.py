"""One run of a comparison: the missing trainings, then the report."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from pathlib import Path

import torch

from facet_vision.backbone import Backbone
from facet_vision.training.comparison.reporting.report import TEXT, write
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.reading import read_training_part
from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.outcomes import Outcomes
from facet_vision.training.experiments.protocol import Protocol, opened
from facet_vision.training.experiments.runs import Options, finals, logged, remark, train_missing
from facet_vision.training.experiments.schedule import Say
from facet_vision.training.identity import digest
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.locking import locked
from facet_vision.training.results import Results

from .plan import Plan
from .protocol import FILE as PROTOCOL
from .protocol import protocol_of
from .records import Comparison, TrainingResult, record

CELLS = "cells.jsonl"
"""File of the finished trainings, beside the report."""

LOG = "compare.log"
"""File of all lines that were said, beside the report."""


def compare(plan: Plan, out: Path, options: Options, say: Say) -> tuple[list[Path], int]:
    """Train what is missing, then write the report.

    Args:
        out: folder; created where it is missing.
        say: receives one line about every training, and about what deserves attention.

    Returns:
        The files, and how many final trainings are missing; the next run tries these again.

    Raises:
        TrainingError: the plan is not usable, the folder has trainings by another protocol or is
            in use, or no training succeeded.
    """
    plan.check()
    backbone = _only_backbone(plan, LoadCache(options.device))
    contents = _contents(plan)
    with ExitStack() as stack:
        if options.train:
            stack.enter_context(locked(out, "out"))
            say = stack.enter_context(logged(say, out / LOG))
        said = remark(contents, say)
        outcomes = Outcomes(Results(out / CELLS))
        images = {source: digest(data) for source, data in contents.items()}
        found = protocol_of(plan, backbone, images)
        protocol = opened(out / PROTOCOL, found, outcomes, extend=options.train)
        if options.train:
            train_missing(list(plan.entries()), outcomes, backbone, options, say, said)
        cells = _finished(plan, outcomes)
        say(f"writing the report, {out / TEXT}")
        about = {source: data.description for source, data in contents.items()}
        about |= {**_searches(plan), **_additions(protocol), **_machine(backbone)}
        files = write(_comparison(plan, backbone, protocol, cells, options.command, about), out)
    return files, len(plan.sources) * len(plan.methods) * len(plan.seeds) - len(cells)


def _contents(plan: Plan) -> dict[str, TaskData]:
    """Read every source without its held-out part.

    Any method's recipe will do: all have the same parts.
    """
    return {
        source: read_training_part(plan.recipe(plan.methods[0], source)) for source in plan.sources
    }


def _only_backbone(plan: Plan, cache: LoadCache) -> Backbone:
    recipes = [entry.recipe for entry in plan.entries()]
    if len({(recipe.backbone, recipe.checkpoint) for recipe in recipes}) > 1:
        raise TrainingError(
            "backbone: expected one for all methods, found several in the recipe's tables"
        )
    return cache.backbone(recipes[0])


def _finished(plan: Plan, outcomes: Outcomes) -> tuple[TrainingResult, ...]:
    """Return the final trainings that have succeeded.

    Raises:
        TrainingError: there is none.
    """
    cells = tuple(record(*final) for entry in plan.entries() for final in finals(entry, outcomes))
    if not cells:
        raise TrainingError("comparison: expected a training that succeeds, found none")
    return cells


def _comparison(
    plan: Plan,
    backbone: Backbone,
    protocol: Protocol,
    cells: tuple[TrainingResult, ...],
    command: str,
    about: dict[str, str],
) -> Comparison:
    return Comparison(
        backbone=backbone.name,
        fingerprint=backbone.fingerprint,
        backbone_parameters=sum(parameter.numel() for parameter in backbone.model.parameters()),
        groups=plan.groups,
        methods=plan.methods,
        seeds=plan.seeds,
        cells=cells,
        command=command,
        protocol=protocol.digest,
        about=about,
    )


def _searches(plan: Plan) -> dict[str, str]:
    found = {method: plan.recipe(method, plan.sources[0]).search for method in plan.methods}
    return {f"search of {method}": search for method, search in found.items() if search}


def _additions(protocol: Protocol) -> dict[str, str]:
    return {"added later": "; ".join(protocol.added)} if protocol.added else {}


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
