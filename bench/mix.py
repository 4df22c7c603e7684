"""The cost in throughput of traffic over many tasks instead of one."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path

from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.figures import Draw, curves
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.engine import EngineAlone
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import (
    COLUMNS,
    RATE,
    facet,
    generator_note,
    load_plan,
    request_each,
    spreads,
    summary,
    targets,
)

from .load import Closed, generate
from .plans import MixPlan

SPREADS = ("uniform", "zipf")
LEVELS = ("engine", "http")


def weights(tasks: int, spread: str) -> list[float]:
    """Return shares of traffic: all alike, or by Zipf's law, 1 / rank."""
    return [1.0 / rank if spread == "zipf" else 1.0 for rank in range(1, tasks + 1)]


def measure(plan: MixPlan, progress: Callable[[str], None]) -> Report:
    """Measure all cells; all tasks exist all the time, traffic goes to the first of them."""
    where = environment()  # first, since it reads the load that other processes make
    with tempfile.TemporaryDirectory() as folder:
        most, shape = max(plan.tasks), TaskShape(tokens=plan.tokens)
        progress(f"making {most} tasks on {plan.backbone}")
        materials, net = prepare(
            Path(folder), plan.backbone, dtype=plan.dtype, tasks=most, shape=shape
        )
        sections = []
        if "engine" in plan.levels:
            progress("the engine")
            alone = EngineAlone(materials, net, plan.batch)
            records = _records(plan, partial(_engine, alone, materials, plan))
            sections.append(Section(TITLES["engine"], records, [*_CELL, RATE, _RATIO], [NOTE]))
        if "http" in plan.levels:
            progress("HTTP")
            with facet(materials, max_batch=plan.batch) as server:
                # Loads all tasks, so that none is loaded while traffic is measured.
                request_each(server, materials, materials.tasks)
                records = _records(plan, partial(_http, server, materials, plan))
            notes = [
                NOTE,
                "Every task had been requested before, so none was loaded meanwhile.",
                generator_note(records),
            ]
            sections.append(Section(TITLES["http"], records, [*_CELL, *COLUMNS, _RATIO], notes))
    return Report("mix", plan.model_dump(), where, sections, {"throughput": _figure(sections)})


TITLES = {"engine": "Engine alone, full batches", "http": "Over HTTP, closed load"}
NOTE = "Every image is for one task at random. Ratios are to the fewest tasks of the same round."
_CELL = [Column.of("tasks"), Column.of("traffic")]
_RATIO = Column.of("ratio", digits=3)


def _records(plan: MixPlan, run: Callable[[int, str], dict[str, float]]) -> list[Record]:
    cells: dict[str, tuple[int, str]] = {}
    spread: str
    for tasks, spread in product(sorted(plan.tasks), plan.traffic):
        if tasks > 1 or spread == plan.traffic[0]:  # one task has only one distribution
            cells[f"{tasks} {spread}"] = (tasks, spread)
    contenders = {name: partial(run, *cell) for name, cell in cells.items()}
    rounds = in_turns(contenders, rounds=plan.rounds)
    base = spreads(rounds[f"{min(plan.tasks)} {plan.traffic[0]}"])["images_per_second"]
    records: list[Record] = []
    for name, (tasks, spread) in cells.items():
        figures = spreads(rounds[name])
        ratio = figures["images_per_second"].over(base)
        records.append({"tasks": tasks, "traffic": spread, "ratio": ratio} | figures)
    return records


def _engine(
    alone: EngineAlone, materials: Materials, plan: MixPlan, tasks: int, spread: str
) -> dict[str, float]:
    rate = alone.rate(materials.tasks[:tasks], weights(tasks, spread), plan.seconds)
    return {"images_per_second": rate}


def _http(
    server: Server, materials: Materials, plan: MixPlan, tasks: int, spread: str
) -> dict[str, float]:
    server.check()
    mixed = targets(materials.tasks[:tasks], weights(tasks, spread))
    load = load_plan(server, materials, mixed, Closed(plan.clients), plan.seconds)
    return summary(generate(load))


def _figure(sections: Sequence[Section]) -> Draw:
    panels = {}
    for section in sections:
        lines: dict[str, list[tuple[float, Spread]]] = {}
        for record in section.records:
            lines.setdefault(record["traffic"], []).append((record["tasks"], record["ratio"]))
        panels[section.title] = lines
    return curves(panels, "tasks in the traffic", "throughput over one task", log=True)
