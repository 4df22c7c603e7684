"""The cost in throughput of traffic over many tasks instead of one."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
    plan,
    request_each,
    spreads,
    summary,
    targets,
)

from .load import Closed, generate

SPREADS = ("uniform", "zipf")
LEVELS = ("engine", "http")


@dataclass(frozen=True)
class Asked:
    """What to measure: every number of tasks under every distribution, at every level.

    Attributes:
        batch: most images in a forward.
        spreads: distributions of the traffic over the tasks, names of `SPREADS`.
        levels: names of `LEVELS`.
        clients: of the closed load over HTTP.
    """

    backbone: str
    dtype: str
    tokens: int
    batch: int
    tasks: Sequence[int]
    spreads: Sequence[str]
    levels: Sequence[str]
    clients: int
    rounds: int
    seconds: float


def weights(tasks: int, spread: str) -> list[float]:
    """Return shares of traffic: all alike, or by Zipf's law, 1 / rank."""
    return [1.0 / rank if spread == "zipf" else 1.0 for rank in range(1, tasks + 1)]


def measure(asked: Asked, progress: Callable[[str], None]) -> Report:
    """Measure all cells; all tasks exist all the time, traffic goes to the first of them."""
    where = environment()  # first, since it reads the load that other processes make
    with tempfile.TemporaryDirectory() as folder:
        most, shape = max(asked.tasks), TaskShape(tokens=asked.tokens)
        progress(f"making {most} tasks on {asked.backbone}")
        materials, net = prepare(
            Path(folder), asked.backbone, dtype=asked.dtype, tasks=most, shape=shape
        )
        sections = []
        if "engine" in asked.levels:
            progress("the engine")
            alone = EngineAlone(materials, net, asked.batch)
            records = _records(asked, partial(_engine, alone, materials, asked))
            sections.append(Section(TITLES["engine"], records, [*_CELL, RATE, _RATIO], [NOTE]))
        if "http" in asked.levels:
            progress("HTTP")
            with facet(materials, max_batch=asked.batch) as server:
                # Loads all tasks, so that none is loaded while traffic is measured.
                request_each(server, materials, materials.tasks)
                records = _records(asked, partial(_http, server, materials, asked))
            notes = [
                NOTE,
                "Every task had been requested before, so none was loaded meanwhile.",
                generator_note(records),
            ]
            sections.append(Section(TITLES["http"], records, [*_CELL, *COLUMNS, _RATIO], notes))
    return Report("mix", asdict(asked), where, sections, {"throughput": _figure(sections)})


TITLES = {"engine": "Engine alone, full batches", "http": "Over HTTP, closed load"}
NOTE = "Every image is for one task at random. Ratios are to the fewest tasks of the same round."
_CELL = [Column.of("tasks"), Column.of("traffic")]
_RATIO = Column.of("ratio", digits=3)


def _records(asked: Asked, run: Callable[[int, str], dict[str, float]]) -> list[Record]:
    cells: dict[str, tuple[int, str]] = {}
    for tasks, spread in product(sorted(asked.tasks), asked.spreads):
        if tasks > 1 or spread == asked.spreads[0]:  # one task has only one distribution
            cells[f"{tasks} {spread}"] = (tasks, spread)
    contenders = {name: partial(run, *cell) for name, cell in cells.items()}
    rounds = in_turns(contenders, rounds=asked.rounds)
    base = spreads(rounds[f"{min(asked.tasks)} {asked.spreads[0]}"])["images_per_second"]
    records: list[Record] = []
    for name, (tasks, spread) in cells.items():
        figures = spreads(rounds[name])
        ratio = figures["images_per_second"].over(base)
        records.append({"tasks": tasks, "traffic": spread, "ratio": ratio} | figures)
    return records


def _engine(
    alone: EngineAlone, materials: Materials, asked: Asked, tasks: int, spread: str
) -> dict[str, float]:
    rate = alone.rate(materials.tasks[:tasks], weights(tasks, spread), asked.seconds)
    return {"images_per_second": rate}


def _http(
    server: Server, materials: Materials, asked: Asked, tasks: int, spread: str
) -> dict[str, float]:
    server.check()
    mixed = targets(materials.tasks[:tasks], weights(tasks, spread))
    return summary(generate(plan(server, materials, mixed, Closed(asked.clients), asked.seconds)))


def _figure(sections: Sequence[Section]) -> Draw:
    panels = {}
    for section in sections:
        lines: dict[str, list[tuple[float, Spread]]] = {}
        for record in section.records:
            lines.setdefault(record["traffic"], []).append((record["tasks"], record["ratio"]))
        panels[section.title] = lines
    return curves(panels, "tasks in the traffic", "throughput over one task", log=True)
