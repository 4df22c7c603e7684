"""Facet's own server under load: its start, its targets, and the summary of a load."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import Any

from facet_vision.bench.load import Closed, Open, Outcome, Plan, Target
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.report import Column

from .materials import Materials
from .processes import Request, Server, ServerFailed, free_port, running

JPEG = {"Content-Type": "image/jpeg"}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
FACET_COMMAND = [sys.executable, "-c", "from facet_vision.cli import app; app()", "serve"]

RATE = Column.of("images_per_second", "images/s", 1)
COLUMNS = (
    Column.of("requests", digits=0),
    RATE,
    *(Column.of(key, f"{key} ms", 1, 1e3) for key in ("p50", "p95", "p99")),
)
"""The columns of `summary` in tables."""


@contextlib.contextmanager
def facet(
    materials: Materials, headers: Mapping[str, str] = NO_HEADERS, **settings: object
) -> Iterator[Server]:
    """Run a Facet server over the materials.

    FACET_* variables of this process hold for it; `settings` override them.

    Args:
        materials: what it serves.
        headers: that its requests need, such as a key.
        settings: by name.
    """
    port = free_port()
    flags = ["--port", str(port), "--store", str(materials.store), "--no-builtin"]
    flags += ["--backbone", materials.backbone, "--dtype", materials.dtype]
    if materials.checkpoint:
        flags += ["--checkpoint", str(materials.checkpoint)]
    variables = {f"FACET_{name.upper()}": str(value) for name, value in settings.items()}
    first = Request(
        path_of(materials.tasks[0]), materials.images[0].read_bytes(), {**JPEG, **headers}
    )
    log = materials.folder / "facet.log"
    with running([*FACET_COMMAND, *flags], port, first, log, variables) as server:
        yield server


def request_each(server: Server, materials: Materials, tasks: Sequence[str]) -> list[float]:
    """Send one request to each task, which loads all of them to the device; return the seconds.

    Raises:
        ServerFailed: one of them does not answer.
    """
    body = materials.images[0].read_bytes()
    found = []
    for task in tasks:
        begun = perf_counter()
        status = server.post(Request(path_of(task), body, JPEG))
        if status != 200:
            raise ServerFailed(f"task {task!r}: expected status 200, found {status}")
        found.append(perf_counter() - begun)
    return found


def path_of(task: str) -> str:
    """Return the path of a task's predict requests."""
    return f"/v1/tasks/{task}/predict"


def targets(
    tasks: Sequence[str],
    weights: Sequence[float] | None = None,
    group: str = "all",
    headers: Mapping[str, str] = NO_HEADERS,
) -> list[Target]:
    """Return a target for each task, at equal load unless there are weights."""
    weights = weights or [1.0] * len(tasks)
    return [
        Target(path_of(task), weight, group, {**JPEG, **headers})
        for task, weight in zip(tasks, weights, strict=True)
    ]


def load_plan(
    server: Server,
    materials: Materials,
    targets: Sequence[Target],
    arrivals: Closed | Open,
    seconds: float,
) -> Plan:
    """Plan a load of the materials' images; warming up takes a fifth of the counted time."""
    images = [str(image) for image in materials.images]
    return Plan(
        server.host,
        server.port,
        targets,
        images,
        arrivals,
        seconds=seconds,
        warmup=seconds / 5,
    )


def summary(outcome: Outcome) -> dict[str, float]:
    """Return the figures of one load, in images per second, seconds and shares."""
    return {
        "requests": float(len(outcome.counted())),
        "images_per_second": outcome.rate(),
        "p50": outcome.latency(0.5),
        "p95": outcome.latency(0.95),
        "p99": outcome.latency(0.99),
        "failed": outcome.failed,
        "generator": outcome.cpu_share,
        "late": outcome.late,
    }


def spreads(rounds: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Collect the figures of all rounds."""
    return {key: Spread(tuple(found[key] for found in rounds)) for key in rounds[0]}


def loads_in_turns(
    server: Server,
    contenders: Mapping[str, Callable[[], dict[str, float]]],
    rounds: int,
    progress: Callable[[str], None],
) -> dict[str, dict[str, Spread]]:
    """Run the loads on a server in turns, each once in every round.

    Args:
        server: is checked before each load.
        contenders: returns the figures of one load, by the load's name.
        rounds: how many there are.
        progress: is called with the name of each load that begins.
    """

    def announced(name: str) -> dict[str, float]:
        server.check()
        progress(name)
        return contenders[name]()

    found = in_turns({name: partial(announced, name) for name in contenders}, rounds=rounds)
    return {name: spreads(values) for name, values in found.items()}


def generator_note(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the sentence which shows that the server was measured, not the generator."""
    loads = [record for record in records if "generator" in record]
    most = max(max(record["generator"].rounds) for record in loads)
    late = max(max(record["late"].rounds) for record in loads)
    failed = max(max(record["failed"].rounds) for record in loads)
    return (
        "The load generator is a process of its own (asyncio, raw sockets) on the same machine; it "
        f"used at most {most:.0%} of one of {os.cpu_count()} cores and sent no request more than "
        f"{late * 1e3:.0f} ms late; at most {failed:.1%} of the requests of a row were not "
        "answered with 200."
    )
