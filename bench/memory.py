"""The bytes of a task on device, host and disk, and the cost of many tasks at the start."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import Spread, percentile
from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.figures import Draw, curves
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.materials import (
    Materials,
    TaskShape,
    fill_store,
    prepare,
    task_file,
    task_names,
)
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import facet, request_each, spreads

from .plans import MemoryPlan


def measure(plan: MemoryPlan, progress: Callable[[str], None]) -> Report:
    """Start a server over each store in turn, request its tasks, and read its memory."""
    where = environment()  # first, since it reads the load that other processes make
    records: list[Record] = []
    for kind in plan.kinds:
        with tempfile.TemporaryDirectory() as folder:
            progress(f"making {max(plan.tasks)} {kind} tasks on {plan.backbone}")
            stores = _stores(Path(folder), plan, TaskShape(kind, plan.tokens, plan.labels))
            contenders = {
                str(len(found.tasks)): partial(_start, found, plan, progress) for found in stores
            }
            rounds = in_turns(contenders, rounds=plan.rounds)
            for found in stores:
                count = len(found.tasks)
                records.append({"kind": kind, "tasks": count} | spreads(rounds[str(count)]))
    per_task = [_per_task(records, kind) for kind in plan.kinds]
    sections = [
        Section("Start-up over the number of tasks", records, START_COLUMNS, [START_NOTE]),
        Section("Bytes per task", per_task, TASK_COLUMNS, [TASK_NOTE]),
    ]
    figures = {"start": _figure(records, plan.kinds)}
    return Report("memory", plan.model_dump(), where, sections, figures)


START_NOTE = (
    "Start: seconds from the start of the process to the first answer, imports and backbone "
    "included. Then every task is requested once, which loads it to the device, and once more; the "
    "first task is not counted."
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
    "On the device: what the server reports of the tasks that are there. Of the server: growth of "
    "its memory (PSS) from the start with the fewest tasks to the last answer with the most, for "
    "each task that was loaded to the device. On disk: task file and events."
)
TASK_COLUMNS = [
    Column.of("kind"),
    Column.of("device", "on the device, kB", 1, 1e-3),
    Column.of("memory", "of the server, kB", 1, 1e-3),
    Column.of("disk", "on disk, kB", 1, 1e-3),
]


def _stores(folder: Path, plan: MemoryPlan, shape: TaskShape) -> list[Materials]:
    """Make materials with each number of tasks, over the same backbone."""
    first, *rest = sorted(set(plan.tasks))
    materials, net = prepare(folder, plan.backbone, dtype=plan.dtype, tasks=first, shape=shape)
    found = [materials]
    for count in rest:
        names = task_names(count)
        home = folder / str(count)
        fill_store(
            home / "store", (task_file(net, task, shape, seed) for seed, task in enumerate(names))
        )
        found.append(replace(materials, folder=home, tasks=names))
    return found


def _start(
    materials: Materials, plan: MemoryPlan, progress: Callable[[str], None]
) -> dict[str, float]:
    progress(f"starting with {len(materials.tasks)} tasks")
    with facet(materials) as server:
        at_start, (loaded_at_start, _) = float(server.memory()), _on_device(server)
        tasks = materials.tasks[: plan.ask]
        first = request_each(server, materials, tasks)
        second = request_each(server, materials, tasks)
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
    """Return how many tasks are on the device and their bytes, by the server's metrics."""
    lines = httpx.get(f"{server.url}/metrics", timeout=60).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return float(values["facet_resident_tasks"]), float(values["facet_resident_bytes"])


def _per_task(records: Sequence[Record], kind: str) -> Record:
    found = [record for record in records if record["kind"] == kind]
    fewest, most = found[0], found[-1]
    loaded = most["loaded"].median - fewest["loaded_at_start"].median
    growth = most["memory"].median - fewest["memory_at_start"].median
    return {
        "kind": kind,
        "device": most["device"].median / max(1.0, most["loaded"].median),
        "memory": growth / loaded if loaded else None,
        "disk": most["disk"].median / most["tasks"],
    }


def _figure(records: Sequence[Record], kinds: Sequence[str]) -> Draw:
    lines: dict[str, list[tuple[float, Spread]]] = {kind: [] for kind in kinds}
    for record in records:
        lines[record["kind"]].append((record["tasks"], record["start"]))
    return curves({"": lines}, "tasks in the store", "seconds to the first answer", log=True)
