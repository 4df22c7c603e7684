"""Images per second by each client, over one number of connections, of tasks at random."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from facet_vision.bench.load import Closed, Target, generate
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.plans import ClientsPlan
from facet_vision.bench.reporting.figures import bars
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.materials import TaskShape, prepare
from facet_vision.bench.servers.processes import free_port
from facet_vision.bench.servers.serving import (
    COLUMNS,
    facet,
    load_plan,
    loads_in_turns,
    request_each,
    summary,
    targets,
)

from .callers import CALLERS, OURS

MODULE = f"{__package__}"
GENERATOR = "load generator"
"""Asks our API over raw sockets, so that hardly anything but the server is measured."""


def measure(plan: ClientsPlan, progress: Callable[[str], None]) -> Report:
    """Measure all clients on one server, in turns."""
    where = environment(["uvicorn", "httpx", "tritonclient", "grpcio"])
    with tempfile.TemporaryDirectory() as folder:
        progress(f"making {plan.tasks} tasks on {plan.backbone}")
        materials, _ = prepare(
            Path(folder),
            plan.backbone,
            dtype=plan.dtype,
            tasks=plan.tasks,
            shape=TaskShape(tokens=plan.tokens),
            image_size=plan.image_size,
        )
        grpc_port = free_port()
        with facet(materials, max_batch=plan.batch, grpc_port=grpc_port) as server:
            request_each(server, materials, materials.tasks)  # a first call loads its task

            def load(name: str) -> dict[str, float]:
                asked = [Target(task) for task in materials.tasks]
                by_client = load_plan(server, materials, asked, Closed(plan.clients), plan.seconds)
                port = grpc_port if "grpc" in name else server.port
                arguments = (name, f"{server.host}:{port}")
                return summary(generate(by_client, module=MODULE, arguments=arguments))

            def generated() -> dict[str, float]:
                asked = targets(materials.tasks)
                arrivals = Closed(plan.clients)
                return summary(
                    generate(load_plan(server, materials, asked, arrivals, plan.seconds))
                )

            contenders: dict[str, Callable[[], dict[str, float]]] = {GENERATOR: generated}
            contenders |= {name: partial(load, name) for name in CALLERS}
            found = loads_in_turns(server, contenders, plan.rounds, progress)
    base, first = (found[name]["images_per_second"] for name in (OURS, GENERATOR))
    records: list[Record] = [
        {
            "what": name,
            "of_ours": values["images_per_second"].over(base),
            "of_generator": values["images_per_second"].over(first),
        }
        | values
        for name, values in found.items()
    ]
    rates = {name: values["images_per_second"] for name, values in found.items()}
    figures = {"clients": bars(rates, "images per second")}
    return Report(
        "clients", plan.model_dump(), where, [Section("Clients", records, _COLUMNS, NOTES)], figures
    )


NOTES = [
    f"{GENERATOR} and {OURS} ask our own API, the others the Open Inference Protocol. Each client "
    "is a process of its own on the same machine, with as many calls under way as connections; "
    "the cores that it uses the server lacks."
]
_COLUMNS = [
    Column.of("what"),
    *COLUMNS,
    Column.of("generator", "cores of the client", 2),
    Column.of("of_ours", f"of {OURS}", 3),
    Column.of("of_generator", f"of {GENERATOR}", 3),
]
