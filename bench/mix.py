"""Whether it costs throughput that traffic asks many tasks instead of one."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.figures import Draw, curves
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.engine import EngineAlone
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import (
    COLUMNS,
    RATE,
    ask_each,
    facet,
    generator_note,
    plan,
    spreads,
    summary,
    targets,
)

from .load import Closed, generate

SPREADS = ("uniform", "zipf")
LEVELS = ("engine", "http")


@dataclass(frozen=True)
class Asked:
    """What to measure: at every level, every number of tasks under every distribution of the traffic over them.

    Attributes:
        batch: most images in a forward.
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
    """Shares of traffic: all alike, or by Zipf's law, 1 / rank."""
    return [1.0 / rank if spread == "zipf" else 1.0 for rank in range(1, tasks + 1)]


def measure(asked: Asked, progress: Callable[[str], None]) -> Report:
    """Everything that was asked for; all tasks are there all the time, the traffic asks the first so many."""
    where = environment()  # first of all: the load that others make is read here
    with tempfile.TemporaryDirectory() as folder:
        most, shape = max(asked.tasks), TaskShape(tokens=asked.tokens)
        progress(f"making {most} tasks on {asked.backbone}")
        materials, net = prepare(
            Path(folder), asked.backbone, dtype=asked.dtype, tasks=most, shape=shape
        )
        sections = []
        if "engine" in asked.levels:
            progress("the engine")
            records = _records(
                asked, partial(_engine, EngineAlone(materials, net, asked.batch), materials, asked)
            )
            sections.append(Section(TITLES["engine"], records, [*_CELL, RATE, _RATIO], [NOTE]))
        if "http" in asked.levels:
            progress("HTTP")
            with facet(materials, max_batch=asked.batch) as server:
                ask_each(
                    server, materials, materials.tasks
                )  # none is to be loaded while it is measured
                records = _records(asked, partial(_http, server, materials, asked))
            notes = [
                NOTE,
                "Every task had been asked before, so none was loaded meanwhile.",
                generator_note(records),
            ]
            sections.append(Section(TITLES["http"], records, [*_CELL, *COLUMNS, _RATIO], notes))
    return Report("mix", asdict(asked), where, sections, {"throughput": _figure(sections)})


TITLES = {"engine": "Engine alone, full batches", "http": "Over HTTP, closed load"}
NOTE = "Every image asks one task at random. Ratios are to the fewest tasks of the same round."
_CELL = [Column.of("tasks"), Column.of("traffic")]
_RATIO = Column.of("ratio", digits=3)


def _records(asked: Asked, run: Callable[[int, str], dict[str, float]]) -> list[Record]:
    fewest = min(asked.tasks)
    cells = [(tasks, spread) for tasks, spread in product(sorted(asked.tasks), asked.spreads)]
    cells = [
        cell for cell in cells if cell[0] > 1 or cell[1] == asked.spreads[0]
    ]  # one task has one distribution
    found = in_turns(
        {f"{tasks} {spread}": partial(run, tasks, spread) for tasks, spread in cells},
        rounds=asked.rounds,
    )
    values = {cell: spreads(found[f"{cell[0]} {cell[1]}"]) for cell in cells}
    base = values[fewest, asked.spreads[0]]["images_per_second"]
    return [
        {"tasks": tasks, "traffic": spread, "ratio": figures["images_per_second"].over(base)}
        | figures
        for (tasks, spread), figures in values.items()
    ]


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
        names = dict.fromkeys(record["traffic"] for record in section.records)
        panels[section.title] = {
            name: [
                (record["tasks"], record["ratio"])
                for record in section.records
                if record["traffic"] == name
            ]
            for name in names
        }
    return curves(panels, "tasks in the traffic", "throughput over one task", log=True)
