"""The time until an upload is live, and the effect of swaps on the traffic of other tasks."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import perf_counter

import httpx
import torch

from facet_vision.backbone import Backbone
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import Spread, percentile
from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.figures import bars
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare, task_file
from facet_vision.bench.servers.processes import Server, ServerFailed
from facet_vision.bench.servers.serving import (
    COLUMNS,
    JPEG,
    facet,
    generator_note,
    load_plan,
    path_of,
    spreads,
    summary,
    targets,
)
from facet_vision.prompts_store import TaskFile

from .load import Closed, Open, generate
from .plans import SwapPlan

SWAPPED = "swapped"
TASK_FILE = {"Content-Type": "application/octet-stream"}
ALONE = "traffic alone"
SWAPPING = "traffic, swapping"
QUANTILES = {"p50": 0.5, "p99": 0.99}


def measure(plan: SwapPlan, progress: Callable[[str], None]) -> Report:
    """Time uploads to an idle server, then traffic with and without swaps in turn."""
    where = environment()  # first, since it reads the load that other processes make
    with tempfile.TemporaryDirectory() as folder:
        progress(f"making {plan.tasks} tasks on {plan.backbone}")
        shape = TaskShape(tokens=plan.tokens)
        materials, net = prepare(
            Path(folder), plan.backbone, dtype=plan.dtype, tasks=plan.tasks, shape=shape
        )
        file = sized_file(net, shape, plan.megabytes)
        with facet(materials) as server, httpx.Client(base_url=server.url, timeout=60) as client:
            swapper = Swapper(client, file, materials.images[0].read_bytes())
            idle = [_uploads(swapper, plan.uploads) for _ in range(plan.rounds)]
            traffic, during = _traffic(plan, materials, server, swapper, progress)
    uploads = [
        _upload_record("idle server", idle),
        _upload_record(f"beside the {plan.load:.0%} load", during),
    ]
    notes = [
        f"The file has {len(file) / 1e6:.2f} MB; each upload was followed by a request, and the "
        "new version answered."
    ]
    sections = [
        Section("Upload to live", uploads, UPLOAD_COLUMNS, notes),
        Section("Traffic of the other tasks", traffic, TRAFFIC_COLUMNS, [generator_note(traffic)]),
    ]
    latencies = {f"{record['what']}, {key}": record[key] for record in uploads for key in QUANTILES}
    figures = {"uploads": bars(latencies, "seconds")}
    return Report("swap", plan.model_dump(), where, sections, figures)


UPLOAD_COLUMNS = [
    Column.of("what"),
    Column.of("uploads"),
    *(Column.of(key, f"{key} ms", 1, 1e3) for key in QUANTILES),
]
TRAFFIC_COLUMNS = [Column.of("what"), *COLUMNS, Column.of("p99_ratio", "p99 over that alone")]


def sized_file(net: Backbone, shape: TaskShape, megabytes: float) -> bytes:
    """Make a task file in float16 of about this size; more labels fill what prompts leave of it."""
    least = len(task_file(net, SWAPPED, shape, 0).to_bytes(torch.float16))
    # Bytes of a label: its row of the head, its bias and its name in the manifest.
    per_label = 2 * net.feature_dim + 20
    labels = shape.labels + max(0, round((megabytes * 1e6 - least) / per_label))
    return task_file(net, SWAPPED, replace(shape, labels=labels), 0).to_bytes(torch.float16)


class Swapper:
    """Uploads one task repeatedly and checks that each upload is live once it is answered.

    Each upload has another description: the same bytes would be the same version.
    """

    def __init__(self, client: httpx.Client, file: bytes, image: bytes) -> None:
        self._client = client
        self._file = TaskFile.from_bytes(file)
        self._image = image
        self._numbers = count(1)

    def upload(self) -> float:
        """Upload once; return the seconds from its first byte to its answer.

        Raises:
            ServerFailed: it was refused, or the next request was not answered by the new version.
        """
        described = {"description": f"upload {next(self._numbers)}"}
        manifest = self._file.manifest.model_copy(update=described)
        data = replace(self._file, manifest=manifest).to_bytes()
        begun = perf_counter()
        answer = self._client.post(f"/v1/tasks/{SWAPPED}/versions", content=data, headers=TASK_FILE)
        seconds = perf_counter() - begun
        if answer.status_code != 201:
            raise ServerFailed(
                f"upload: expected status 201, found {answer.status_code}: {answer.text[:200]}"
            )
        predicted = self._client.post(path_of(SWAPPED), content=self._image, headers=JPEG).json()
        expected, found = answer.json()["version"], predicted["results"][0]["version"]
        if found != expected:
            raise ServerFailed(f"upload: expected version {expected} to answer, found {found}")
        return seconds


def _uploads(swapper: Swapper, count: int) -> list[float]:
    return [swapper.upload() for _ in range(count)]


def _upload_record(what: str, rounds: list[list[float]]) -> Record:
    quantiles = {
        key: Spread(tuple(percentile(found, share) for found in rounds))
        for key, share in QUANTILES.items()
    }
    return {"what": what, "uploads": sum(map(len, rounds))} | quantiles


def _traffic(
    plan: SwapPlan,
    materials: Materials,
    server: Server,
    swapper: Swapper,
    progress: Callable[[str], None],
) -> tuple[list[Record], list[list[float]]]:
    """Measure traffic with and without swaps; return its records and the swaps' seconds."""
    others = targets(materials.tasks)
    saturation = generate(
        load_plan(server, materials, others, Closed(plan.clients), plan.seconds)
    ).rate()
    load = load_plan(server, materials, others, Open(plan.load * saturation), plan.seconds)
    during: list[list[float]] = []

    def swapping() -> dict[str, float]:
        progress(SWAPPING)
        found: list[float] = []
        due = perf_counter()

        # `due` advances by the interval, not from now: a late swap does not lower their rate.
        def meanwhile() -> None:
            nonlocal due
            if perf_counter() >= due and perf_counter() - begun < load.warmup + load.seconds:
                due += 1 / plan.swaps
                found.append(swapper.upload())

        begun = perf_counter()
        outcome = generate(load, meanwhile)
        during.append(found)
        return summary(outcome)

    def alone() -> dict[str, float]:
        progress(ALONE)
        return summary(generate(load))

    rounds = in_turns({ALONE: alone, SWAPPING: swapping}, rounds=plan.rounds)
    base = spreads(rounds[ALONE])["p99"]
    records: list[Record] = []
    for name, values in rounds.items():
        figures = spreads(values)
        records.append({"what": name, "p99_ratio": figures["p99"].over(base)} | figures)
    return records, during
