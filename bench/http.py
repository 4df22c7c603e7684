"""The cost of HTTP over the engine alone, and the server under several loads.

The loads are concurrency, random arrivals, overload and a hot task. All measurements take turns in
every round. The engine alone is measured in this process while the server idles, and the other way
round.
"""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.lag import lags, late_at_most
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.reporting.http_tables import (
    CALM,
    HOT,
    OVERLOAD,
    PEAK,
    closed_section,
    latency_figure,
    open_sections,
)
from facet_vision.bench.reporting.report import Record, Report
from facet_vision.bench.servers.engine import EngineAlone
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import (
    facet,
    load_plan,
    loads_in_turns,
    summary,
    targets,
)

from .load import Closed, Open, generate
from .options import options_section
from .plans import HttpPlan

ENGINE = "engine alone"


Progress = Callable[[str], None]


def measure(plan: HttpPlan, progress: Progress) -> Report:
    """Measure everything on one server."""
    # First, since it reads the load that other processes make.
    where = environment(["uvicorn", "uvloop", "httptools"])
    with tempfile.TemporaryDirectory() as folder:
        shape = TaskShape(tokens=plan.tokens)
        progress(f"making {plan.tasks} tasks on {plan.backbone}")
        materials, net = prepare(
            Path(folder),
            plan.backbone,
            dtype=plan.dtype,
            tasks=plan.tasks,
            shape=shape,
            image_size=plan.image_size,
        )
        alone = EngineAlone(materials, net, plan.batch)
        with facet(materials, max_batch=plan.batch) as server:
            bench = Http(plan, materials, server, progress)
            closed = bench.closed_loads(alone)
            over_http = [record for record in closed if record["clients"]]
            saturation = max(record["images_per_second"].median for record in over_http)
            by_load = bench.open_loads(saturation)
            found = [closed_section(closed), *open_sections(by_load)]
            if plan.keys or plan.traces:
                found.append(options_section(plan, materials, server, progress))
    figures = {"latency": latency_figure(closed)}
    return Report("http", plan.model_dump(), where, found, figures)


class Http:
    """The loads on one server."""

    def __init__(
        self, plan: HttpPlan, materials: Materials, server: Server, progress: Progress
    ) -> None:
        self._plan = plan
        self._materials = materials
        self._server = server
        self._progress = progress

    def closed_loads(self, alone: EngineAlone) -> list[Record]:
        """Measure the engine, and the server with every number of clients."""
        tasks, seconds = self._materials.tasks, self._plan.seconds
        even = [1.0] * len(tasks)
        contenders: dict[str, Callable[[], dict[str, float]]] = {
            ENGINE: lambda: {"images_per_second": alone.rate(tasks, even, seconds)},
        }
        for clients in self._plan.clients:
            contenders[f"HTTP, {clients} clients"] = partial(self._load, Closed(clients))
        found = self._in_turns(contenders)
        numbers = [0, *self._plan.clients]  # 0 for the engine
        engine = found[ENGINE]["images_per_second"]
        records: list[Record] = []
        for number, (name, values) in zip(numbers, found.items(), strict=True):
            share = values["images_per_second"].over(engine)
            records.append({"what": name, "clients": number, "of_engine": share} | values)
        return records

    def open_loads(self, saturation: float) -> Mapping[str, Mapping[str, Spread]]:
        """Measure random arrivals below saturation, above it, and with one task that is hot."""
        contenders: dict[str, Callable[[], dict[str, float]]] = {
            f"{share:.0%} of saturation": partial(self._load, Open(share * saturation))
            for share in self._plan.loads
        }
        if self._plan.overload:
            best = max(self._plan.clients)
            contenders[PEAK] = partial(self._load, Closed(best))
            contenders[OVERLOAD] = partial(self._overload, self._plan.overload * saturation)
        if self._plan.hot and len(self._materials.tasks) > 1:
            contenders[CALM] = partial(self._hot, 0.0, saturation)
            contenders[HOT] = partial(self._hot, self._plan.hot, saturation)
        return self._in_turns(contenders) if contenders else {}

    def _in_turns(
        self, contenders: Mapping[str, Callable[[], dict[str, float]]]
    ) -> dict[str, dict[str, Spread]]:
        return loads_in_turns(self._server, contenders, self._plan.rounds, self._progress)

    def _load(self, arrivals: Closed | Open) -> dict[str, float]:
        asked = targets(self._materials.tasks)
        before = lags(self._server)
        load = load_plan(self._server, self._materials, asked, arrivals, self._plan.seconds)
        found = summary(generate(load))
        after = lags(self._server)
        return found | {
            "lag_p99": late_at_most(before, after, 0.99),
            "lag_most": late_at_most(before, after, 1.0),
        }

    def _overload(self, rate: float) -> dict[str, float]:
        before, most = self._server.memory(), 0

        # RSS while the load runs, since PSS would make the kernel walk all pages of the server.
        def watch() -> None:
            nonlocal most
            most = max(most, self._server.resident())

        resident = self._server.resident()
        asked = targets(self._materials.tasks)
        outcome = generate(
            load_plan(self._server, self._materials, asked, Open(rate), self._plan.seconds), watch
        )
        return summary(outcome) | {
            "offered": rate,
            "refused_per_second": outcome.rate(good=False),
            "refused_p99": outcome.latency(0.99, good=False),
            "unanswered": outcome.unanswered,
            "memory_before": float(before),
            "memory_growth": max(0.0, float(most - resident)),
        }

    def _hot(self, times: float, saturation: float) -> dict[str, float]:
        first, *others = self._materials.tasks
        rate = self._plan.hot_load * saturation
        asked = targets(others, group="others")
        if times:
            asked += targets([first], [times], "hot")
            rate *= (len(others) + times) / len(others)
        outcome = generate(
            load_plan(self._server, self._materials, asked, Open(rate), self._plan.seconds)
        )
        return summary(outcome) | {"offered": rate, "others_p99": outcome.latency(0.99, "others")}
