"""What a task costs in bytes, on the device, on the host and on the disk, and what many of them cost at the start."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx

from .environment import environment
from .figures import Draw, curves
from .materials import Materials, TaskShape, fill_store, prepare, task_file
from .processes import Server
from .report import Column, Record, Report, Section
from .serving import facet, spreads
from .timing import in_turns


@dataclass(frozen=True)
class Asked:
    """What to measure: a server for every kind of task and every number of them."""

    backbone: str
    dtype: str
    kinds: Sequence[str]
    tokens: int
    labels: int
    counts: Sequence[int]
    rounds: int


def measure(asked: Asked, progress: Callable[[str], None]) -> Report:
    """Start a server over each store in turn and look at it once it answers."""
    records: list[Record] = []
    for kind in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            progress(f"making {max(asked.counts)} {kind} tasks on {asked.backbone}")
            stores = _stores(Path(folder), asked, TaskShape(kind, asked.tokens, asked.labels))
            contenders = {str(len(found.tasks)): partial(_start, found, progress) for found in stores}
            values = {count: spreads(r) for count, r in in_turns(contenders, rounds=asked.rounds).items()}
            records += [{"kind": kind, "tasks": len(found.tasks)} | values[str(len(found.tasks))] for found in stores]
    sections = [
        Section("Start-up over the number of tasks", records, START_COLUMNS, [START_NOTE]),
        Section("Bytes per task", [_per_task(records, kind) for kind in asked.kinds], TASK_COLUMNS, [TASK_NOTE]),
    ]
    return Report("memory", asdict(asked), environment(), sections, {"start": _figure(records, asked.kinds)})


START_NOTE = "Seconds from the start of the process to the first answer of a task, imports and backbone included."
START_COLUMNS = [
    Column.of("kind"),
    Column.of("tasks"),
    Column.of("start", "start s", 2),
    Column.of("memory", "memory of the server, MB", 0, 1e-6),
    Column.of("device", "on the device, MB", 1, 1e-6),
    Column.of("disk", "on disk, MB", 1, 1e-6),
]
TASK_NOTE = (
    "On the device: what the server reports for its live tasks. Of the server: growth of its memory (PSS) from the "
    "fewest to the most tasks, per task. On disk: task file and events."
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
        fill_store(home / "store", (task_file(net, task, shape, seed) for seed, task in enumerate(names)))
        found.append(Materials(home, materials.backbone, materials.checkpoint, asked.dtype, names, materials.images))
    return found


def _start(materials: Materials, progress: Callable[[str], None]) -> dict[str, float]:
    progress(f"starting with {len(materials.tasks)} tasks")
    with facet(materials) as server:
        files = [path for path in materials.store.rglob("*") if path.is_file()]
        return {
            "start": server.seconds_to_ready,
            "memory": float(server.memory()),
            "device": _on_device(server),
            "disk": float(sum(path.stat().st_size for path in files)),
        }


def _on_device(server: Server) -> float:
    listed = httpx.get(f"{server.url}/v1/tasks", timeout=60).json()["tasks"]
    return float(sum(task.get("resident_bytes", 0) for task in listed))


def _per_task(records: Sequence[Record], kind: str) -> Record:
    fewest, *_, most = [record for record in records if record["kind"] == kind] * 2
    more = most["tasks"] - fewest["tasks"]
    bytes_each = {key: most[key].median / most["tasks"] for key in ("device", "disk")}
    grown = (most["memory"].median - fewest["memory"].median) / more if more else None
    return {"kind": kind, "memory": grown} | bytes_each


def _figure(records: Sequence[Record], kinds: Sequence[str]) -> Draw:
    lines = {
        kind: [(record["tasks"], record["start"]) for record in records if record["kind"] == kind] for kind in kinds
    }
    return curves({"": lines}, "tasks in the store", "seconds to the first answer", log=True)
