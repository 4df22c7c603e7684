"""What attacks cost the other clients of a server."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from facet_vision.bench.load import Closed, Open, generate
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.plans import AttacksPlan
from facet_vision.bench.reporting.figures import bars
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.bench.servers.materials import (
    Materials,
    TaskShape,
    fill_store,
    prepare,
    task_file,
)
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import (
    COLUMNS,
    facet,
    generator_note,
    load_plan,
    loads_in_turns,
    path_of,
    request_each,
    summary,
    targets,
)
from facet_vision.service.settings import Settings

from .attackers import attacking, trickling
from .kinds import kinds

WIDE = "wide"
WIDE_SHAPE = TaskShape("linear", 0, 20_000)
"""The task with many labels."""

QUIET = "no attack"
PEAK = "closed load"
OVERLOAD = "overload beside slow connections"

FACTOR, ADDED_SECONDS = 2.0, 0.5
"""The bar: another client's p99 stays under so many times its quiet value, and so much."""

SLOW_HEADS = (
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ",
    f"POST {path_of('task-00000')} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    "Content-Length: 60000\r\n\r\n".encode(),
)
"""What slow connections send at once: a part of a head, or a head whose body then trickles in."""

Progress = Callable[[str], None]


def measure(plan: AttacksPlan, progress: Progress) -> Report:
    """Measure another client beside each attack, then the goodput of an overload."""
    where = environment(["uvicorn", "uvloop", "httptools"])
    with tempfile.TemporaryDirectory() as folder:
        progress(f"making {plan.tasks} tasks on {plan.backbone}")
        shape = TaskShape(tokens=plan.tokens)
        materials, net = prepare(
            Path(folder),
            plan.backbone,
            dtype=plan.dtype,
            tasks=plan.tasks,
            shape=shape,
            image_size=plan.image_size,
        )
        fill_store(materials.store, [task_file(net, WIDE, WIDE_SHAPE, seed=0)])
        with facet(materials) as server:
            # Each is asked once: a first call loads its task.
            request_each(server, materials, [*materials.tasks, WIDE])
            bench = Attacks(plan, materials, server, progress)
            attacks = bench.attacks()
            overload = bench.overload() if plan.overload else []
    p99 = {record["what"]: record["p99"] for record in attacks}
    sections = [Section("Another client", attacks, ATTACK_COLUMNS, [BAR, generator_note(attacks)])]
    if overload:
        sections.append(Section("Overload", overload, OVERLOAD_COLUMNS, [generator_note(overload)]))
    return Report("attacks", plan.model_dump(), where, sections, {"p99": bars(p99, "seconds")})


BAR = (
    "Each attack runs on one connection at a time, as fast as it can, and the answers to it are "
    "counted by status. Another client asks one image after another. Its p99 is within the bar "
    f"where it is at most {FACTOR:g} times that without an attack plus {ADDED_SECONDS:g} s."
)
ATTACK_COLUMNS = [
    Column.of("what"),
    Column.of("answers"),
    *COLUMNS,
    Column.of("within", "within the bar"),
]
OVERLOAD_COLUMNS = [
    Column.of("what"),
    Column.of("offered", "offered/s", 1),
    *COLUMNS,
    Column.of("of_peak", "of the closed load"),
    Column.of("unanswered", "without an answer", 3),
]


class Attacks:
    """The loads on one server."""

    def __init__(
        self, plan: AttacksPlan, materials: Materials, server: Server, progress: Progress
    ) -> None:
        self._plan = plan
        self._materials = materials
        self._server = server
        self._progress = progress
        self._address = server.host, server.port

    def attacks(self) -> list[Record]:
        """Measure one client beside each attack."""
        answers: dict[str, Counter[str]] = {QUIET: Counter()}
        contenders = {QUIET: partial(self._load, Closed(1))}
        for name in self._plan.attack or kinds():
            answers[name] = Counter()
            contenders[name] = partial(self._beside, name, answers[name])
        found = self._in_turns(contenders)
        quiet = max(found[QUIET]["p99"].rounds)
        return [
            {
                "what": name,
                "answers": ", ".join(f"{n} x {status}" for status, n in answers[name].items()),
                "within": _within(values["p99"], quiet),
            }
            | values
            for name, values in found.items()
        ]

    def overload(self) -> list[Record]:
        """Measure the saturating load, and many times that beside slow connections."""
        peak = partial(self._load, Closed(self._plan.clients))
        rate = peak()["images_per_second"] * self._plan.overload
        found = self._in_turns({PEAK: peak, OVERLOAD: partial(self._overload, rate)})
        base = found[PEAK]["images_per_second"]
        return [
            {"what": name, "of_peak": values["images_per_second"].over(base)} | values
            for name, values in found.items()
        ]

    def _beside(self, name: str, answers: Counter[str]) -> dict[str, float]:
        attack = kinds()[name]
        for _ in attack(WIDE):  # makes its images
            pass
        with attacking(self._address, lambda: attack(WIDE)) as statuses:
            found = self._load(Closed(1))
        answers.update(statuses)
        return found

    def _overload(self, rate: float) -> dict[str, float]:
        # Until the queue is full nothing is refused, so it is no overload yet.
        filling = Settings.model_fields["queue_limit"].default / rate
        with trickling(self._address, self._plan.slow, SLOW_HEADS):
            return self._load(Open(rate), 2 * filling) | {"offered": rate}

    def _load(self, arrivals: Closed | Open, warmup: float = 0.0) -> dict[str, float]:
        asked = targets(self._materials.tasks)
        load = load_plan(self._server, self._materials, asked, arrivals, self._plan.seconds)
        outcome = generate(replace(load, warmup=max(load.warmup, warmup)))
        return summary(outcome) | {"unanswered": outcome.unanswered}

    def _in_turns(
        self, contenders: Mapping[str, Callable[[], dict[str, float]]]
    ) -> dict[str, dict[str, Spread]]:
        return loads_in_turns(self._server, contenders, self._plan.rounds, self._progress)


def _within(p99: Spread, quiet: float) -> str:
    return "yes" if max(p99.rounds) <= FACTOR * quiet + ADDED_SECONDS else "no"
