"""Facet's own server under load: how it is started, what it is asked, and what a load's outcome comes down to."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

from facet_vision.bench.load import Closed, Open, Outcome, Plan, Target
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.reporting.report import Column

from .materials import Materials
from .processes import Request, Server, ServerFailed, free_port, running

JPEG = {"Content-Type": "image/jpeg"}
FACET = [sys.executable, "-c", "from cli import app; app()", "serve"]

RATE = Column.of("images_per_second", "images/s", 1)
COLUMNS = (
    Column.of("requests", digits=0),
    RATE,
    *(Column.of(key, f"{key} ms", 1, 1e3) for key in ("p50", "p95", "p99")),
)
"""What tables show of `summary`."""


@contextlib.contextmanager
def facet(materials: Materials, **settings: object) -> Iterator[Server]:
    """A Facet server over the materials; FACET_* variables of this process hold for it, `settings` before them."""
    port = free_port()
    flags = [
        "--port",
        str(port),
        "--backbone",
        materials.backbone,
        "--dtype",
        materials.dtype,
        "--no-builtin",
    ]
    flags += ["--store", str(materials.store)]
    if materials.checkpoint:
        flags += ["--checkpoint", str(materials.checkpoint)]
    names = {f"FACET_{name.upper()}": str(value) for name, value in settings.items()}
    first = Request(path_of(materials.tasks[0]), materials.images[0].read_bytes(), JPEG)
    with running([*FACET, *flags], port, first, materials.folder / "facet.log", names) as server:
        yield server


def ask_each(server: Server, materials: Materials, tasks: Sequence[str]) -> list[float]:
    """Seconds of one request to each task; afterwards all of them are on the device.

    Raises:
        ServerFailed: one of them does not answer.
    """
    body, found = materials.images[0].read_bytes(), []
    for task in tasks:
        begun = perf_counter()
        if (status := server.ask(Request(path_of(task), body, JPEG))) != 200:
            raise ServerFailed(f"task {task!r}: expected status 200, found {status}")
        found.append(perf_counter() - begun)
    return found


def path_of(task: str) -> str:
    """Where a task is asked."""
    return f"/v1/tasks/{task}/predict"


def targets(
    tasks: Sequence[str], weights: Sequence[float] | None = None, group: str = "all"
) -> list[Target]:
    """A target for each task, at equal load unless there are weights."""
    weights = weights or [1.0] * len(tasks)
    return [
        Target(path_of(task), weight, group, JPEG)
        for task, weight in zip(tasks, weights, strict=True)
    ]


def plan(
    server: Server,
    materials: Materials,
    asked: Sequence[Target],
    arrivals: Closed | Open,
    seconds: float,
    **options: Any,
) -> Plan:
    """A load of the materials' images; warming up takes a fifth of the time that counts."""
    images = [str(image) for image in materials.images]
    return Plan(server.host, server.port, asked, images, arrivals, seconds, seconds / 5, **options)


def summary(outcome: Outcome) -> dict[str, float]:
    """The figures of one load, in images per second, seconds and shares."""
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
    """The same figures over rounds."""
    return {key: Spread(tuple(found[key] for found in rounds)) for key in rounds[0]}


def generator_note(records: Sequence[Mapping[str, Any]]) -> str:
    """Shows that what was measured is the server and not the generator."""
    loads = [record for record in records if "generator" in record]
    most = max(max(record["generator"].rounds) for record in loads)
    late = max(max(record["late"].rounds) for record in loads)
    failed = max(max(record["failed"].rounds) for record in loads)
    return (
        f"The load generator is a process of its own (asyncio, raw sockets) on the same machine; it used at most "
        f"{most:.0%} of one of {os.cpu_count()} cores and sent no request more than {late * 1e3:.0f} ms late; "
        f"at most {failed:.1%} of the requests of a row were not answered with 200."
    )
