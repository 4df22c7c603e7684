"""What a task costs in bytes, on the device, on the host and on the disk, and what many of them cost at the start."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx

from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import percentile
from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.figures import Draw, curves
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.materials import (
    Materials,
    TaskShape,
    fill_store,
    prepare,
    task_file,
)
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import ask_each, facet, spreads


@dataclass(frozen=True)
class Asked:
    """What to measure: a server for every kind of task and every number of them.

    Attributes:
        ask: most tasks that are asked once a server has started.
    """

    backbone: str
    dtype: str
    kinds: Sequence[str]
    tokens: int
    labels: int
    counts: Sequence[int]
    ask: int
    rounds: int


def measure(asked: Asked, progress: Callable[[str], None]) -> Report:
    """Start a server over each store in turn, ask its tasks, and look at its memory."""
    where = environment()  # first of all: the load that others make is read here
    records: list[Record] = []
    for kind in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            progress(f"making {max(asked.counts)} {kind} tasks on {asked.backbone}")
            stores = _stores(Path(folder), asked, TaskShape(kind, asked.tokens, asked.labels))
            contenders = {
                str(len(found.tasks)): partial(_start, found, asked, progress) for found in stores
            }
            values = {
                count: spreads(r) for count, r in in_turns(contenders, rounds=asked.rounds).items()
            }
            records += [
                {"kind": kind, "tasks": len(found.tasks)} | values[str(len(found.tasks))]
                for found in stores
            ]
    sections = [
        Section("Start-up over the number of tasks", records, START_COLUMNS, [START_NOTE]),
        Section(
            "Bytes per task",
            [_per_task(records, kind) for kind in asked.kinds],
            TASK_COLUMNS,
            [TASK_NOTE],
        ),
    ]
    return Report(
        "memory", asdict(asked), where, sections, {"start": _figure(records, asked.kinds)}
    )


START_NOTE = (
    "Start: seconds from the start of the process to the first answer, imports and backbone included. Then tasks are "
    "asked once each, which brings them to the device, and once more; the first one is not counted."
)
START_COLUMNS = [
    Column.of("kind"),
    Column.of("tasks"),
    Column.of("start", "start s", 2),
    Column.of("memory_at_start", "memory at the start, MB", 0, 1e-6),
    Column.of("first_p50", "a task's first answer ms", 1, 1e3),
    Column.of("second_p50", "its second ms", 1, 1e3),
    Column.of("loaded", "then on the device", 0),
    Column.of("memory", "memory then, MB", 0, 1e-6),
    Column.of("disk", "on disk, MB", 1, 1e-6),
]
TASK_NOTE = (
    "On the device: what the server reports of the tasks that are there. Of the server: growth of its memory (PSS) "
    "from the start with the fewest tasks to the last answer with the most, for each task that came to the device. "
    "On disk: task file and events."
)
TASK_COLUMNS = [
    Column.of("kind"),
    Column.of("device", "on the device, kB", 1, 1e-3),
    Column.of("memory", "of the server, kB", 1, 1e-3),
    Column.of("disk", "on disk, kB", 1, 1e-3),
]


def _stores(folder: Path, asked: Asked, shape: TaskShape) -> list[Materials]:
    """Materials with each number of tasks, over the same backbone."""
    first, *rest = sorted(set(asked.counts))
    materials, net = prepare(folder, asked.backbone, dtype=asked.dtype, tasks=first, shape=shape)
    found = [materials]
    for count in rest:
        names = tuple(f"task-{number:05}" for number in range(count))
        home = folder / str(count)
        fill_store(
            home / "store", (task_file(net, task, shape, seed) for seed, task in enumerate(names))
        )
        found.append(
            Materials(
                home, materials.backbone, materials.checkpoint, asked.dtype, names, materials.images
            )
        )
    return found


def _start(materials: Materials, asked: Asked, progress: Callable[[str], None]) -> dict[str, float]:
    progress(f"starting with {len(materials.tasks)} tasks")
    with facet(materials) as server:
        at_start, (loaded_at_start, _) = float(server.memory()), _on_device(server)
        tasks = materials.tasks[: asked.ask]
        first, second = (ask_each(server, materials, tasks) for _ in range(2))
        loaded, device = _on_device(server)
        files = [path for path in materials.store.rglob("*") if path.is_file()]
        return {
            "start": server.seconds_to_ready,
            "memory_at_start": at_start,
            "loaded_at_start": loaded_at_start,
            "first_p50": percentile(first[1:], 0.5),
            "second_p50": percentile(second[1:], 0.5),
            "loaded": loaded,
            "memory": float(server.memory()),
            "device": device,
            "disk": float(sum(path.stat().st_size for path in files)),
        }


def _on_device(server: Server) -> tuple[float, float]:
    """How many tasks are on the device, and their bytes, by the server's metrics."""
    lines = httpx.get(f"{server.url}/metrics", timeout=60).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return float(values["facet_resident_tasks"]), float(values["facet_resident_bytes"])


def _per_task(records: Sequence[Record], kind: str) -> Record:
    found = [record for record in records if record["kind"] == kind]
    fewest, most = found[0], found[-1]
    loaded = most["loaded"].median - fewest["loaded_at_start"].median
    return {
        "kind": kind,
        "device": most["device"].median / max(1.0, most["loaded"].median),
        "memory": (most["memory"].median - fewest["memory_at_start"].median) / loaded
        if loaded
        else None,
        "disk": most["disk"].median / most["tasks"],
    }


def _figure(records: Sequence[Record], kinds: Sequence[str]) -> Draw:
    lines = {
        kind: [(record["tasks"], record["start"]) for record in records if record["kind"] == kind]
        for kind in kinds
    }
    return curves({"": lines}, "tasks in the store", "seconds to the first answer", log=True)
