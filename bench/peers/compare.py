"""Facet and its peers under the same load: each server alone on the machine, one after the other, in every round."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from bench.environment import environment
from bench.figures import Draw, curves
from bench.load import Closed, Target, generate
from bench.materials import Materials, TaskShape, prepare
from bench.processes import Request, Server, ServerFailed, free_port, running
from bench.report import Column, Record, Report, Section
from bench.serving import COLUMNS, facet, generator_note, plan, spreads, summary, targets
from bench.spread import Spread
from bench.timing import turns

from .registry import PEERS, Peer

FACET = "Facet"

Figures = dict[str, dict[str, float]]
"""Of one server in one round: those of each load by its number of clients, and those of the server as "server"."""


@dataclass(frozen=True)
class Asked:
    """What to measure.

    Attributes:
        peers: names from the registry; Facet is always there.
        batch: most images in a forward, for those that batch.
        clients: numbers of clients of the closed load.
    """

    peers: Sequence[str]
    backbone: str
    dtype: str
    tasks: int
    tokens: int
    batch: int
    clients: Sequence[int]
    rounds: int
    seconds: float


@dataclass(frozen=True)
class Contender:
    """A server to be started, and how it is asked."""

    title: str
    start: Callable[[], AbstractContextManager[Server]]
    targets: Sequence[Target]


def measure(asked: Asked, progress: Callable[[str], None]) -> Report:
    """Start every server once in each round, ask each task once, then load it with every number of clients."""
    with tempfile.TemporaryDirectory() as folder:
        progress(f"making {asked.tasks} tasks on {asked.backbone}")
        shape = TaskShape(tokens=asked.tokens)
        materials, _ = prepare(Path(folder), asked.backbone, dtype=asked.dtype, tasks=asked.tasks, shape=shape)
        chosen, notes = installed(asked)
        contenders = [_facet(materials, asked), *(_peer(peer, materials, asked, shape, progress) for peer in chosen)]
        rounds, failures = in_rounds(contenders, materials, asked, progress)
    values = {name: {key: spreads([r[key] for r in found]) for key in found[0]} for name, found in rounds.items()}
    packages = sorted({package for peer in chosen for package in peer.packages})
    sections = sections_of(values, [*notes, *failures])
    return Report("peers", asdict(asked), environment(packages), sections, {"latency": _figure(sections[0].records)})


def installed(asked: Asked) -> tuple[list[Peer], list[str]]:
    """The peers that can run here, and a sentence about each that cannot."""
    chosen, notes = [], []
    for peer in (PEERS[name] for name in asked.peers):
        if peer.missing:
            notes.append(f"{peer.title}: left out, {', '.join(peer.missing)} not installed (extra `peers`).")
        elif asked.dtype not in peer.precisions:
            notes.append(f"{peer.title}: left out, it computes in {', '.join(peer.precisions)} here.")
        else:
            chosen.append(peer)
    return chosen, notes


def _facet(materials: Materials, asked: Asked) -> Contender:
    return Contender(FACET, lambda: facet(materials, max_batch=asked.batch), targets(materials.tasks))


def _peer(
    peer: Peer, materials: Materials, asked: Asked, shape: TaskShape, progress: Callable[[str], None]
) -> Contender:
    log = materials.folder / f"{peer.module}.log"
    options = {"labels": shape.labels, "batch": asked.batch}
    if peer.preparation:
        progress(f"preparing {peer.title}")
        with log.open("ab") as output:
            command = peer.command(peer.preparation, materials, **options)
            subprocess.run(command, check=True, stdout=output, stderr=output)
    found = peer.targets(materials.tasks)
    first = _request(found[0], materials)

    def start() -> AbstractContextManager[Server]:
        port = free_port()
        return running(peer.command(peer.module, materials, port=port, **options), port, first, log)

    return Contender(peer.title, start, found)


def _request(target: Target, materials: Materials) -> Request:
    return Request(target.path, materials.images[0].read_bytes(), target.headers)


def in_rounds(
    contenders: Sequence[Contender], materials: Materials, asked: Asked, progress: Callable[[str], None]
) -> tuple[dict[str, list[Figures]], list[str]]:
    """Figures of each contender over the rounds, and a sentence about each that failed; it is not tried again."""
    named = {contender.title: contender for contender in contenders}
    rounds: dict[str, list[Figures]] = {name: [] for name in named}
    failures: dict[str, str] = {}
    for number, name in turns(list(named), asked.rounds):
        if name not in failures:
            progress(f"round {number + 1} of {asked.rounds}: {name}")
            try:
                rounds[name].append(_measure(named[name], materials, asked))
            except ServerFailed as error:
                failures[name] = f"{name}: left out, it failed: {error}."
    return {name: found for name, found in rounds.items() if name not in failures}, list(failures.values())


def _measure(contender: Contender, materials: Materials, asked: Asked) -> Figures:
    begun = monotonic()
    with contender.start() as server:
        for target in contender.targets:
            if (status := server.ask(_request(target, materials))) != 200:
                raise ServerFailed(f"{target.path}: expected status 200, found {status}")
        started = monotonic() - begun
        loads = {str(clients): _load(server, contender, materials, asked, clients) for clients in asked.clients}
        server.check()
        return loads | {"server": {"start": started, "memory": float(server.memory())}}


def _load(server: Server, contender: Contender, materials: Materials, asked: Asked, clients: int) -> dict[str, float]:
    return summary(generate(plan(server, materials, contender.targets, Closed(clients), asked.seconds)))


def sections_of(values: Mapping[str, Mapping[str, Mapping[str, Spread]]], notes: Sequence[str]) -> list[Section]:
    """All loads; what each server needs; and the peers at equal p99."""
    loads = [
        {"server": name, "clients": int(key)} | dict(figures)
        for name, found in values.items()
        for key, figures in found.items()
        if key != "server"
    ]
    servers = [{"server": name} | dict(found["server"]) for name, found in values.items()]
    notes = [*notes, generator_note(loads)] if loads else notes
    sections = [
        Section("Load", loads, [Column.of("server"), Column.of("clients"), *COLUMNS], notes),
        Section("Servers", servers, SERVER_COLUMNS, [SERVER_NOTE]),
    ]
    if FACET in values:
        sections.append(Section("Facet at equal p99", list(_equal(loads, values)), EQUAL_COLUMNS, [EQUAL_NOTE]))
    return sections


SERVER_COLUMNS = [Column.of("server"), Column.of("start", "start s", 1), Column.of("memory", "memory, MB", 0, 1e-6)]
SERVER_NOTE = (
    "Start: from the start of the process until every task has answered once. Memory: of all its processes after the "
    "load, pages that they share counted once (PSS)."
)
EQUAL_COLUMNS = [
    Column.of("peer"),
    Column.of("peer_rate", "its images/s", 1),
    Column.of("p99", "at p99 ms", 1, 1e3),
    Column.of("facet_rate", "Facet's images/s", 1),
    Column.of("ratio"),
    Column.of("memory_ratio", "Facet's memory over its", 3),
]
EQUAL_NOTE = (
    "Each peer at the load at which it answers most, and Facet at the load of those above at which it answers most "
    "while its p99 is not above the peer's; no value where all of Facet's are. Medians over rounds."
)


def _equal(loads: Sequence[Record], values: Mapping[str, Mapping[str, Mapping[str, Spread]]]) -> Iterator[Record]:
    for name in values:
        if name == FACET:
            continue
        best = max((load for load in loads if load["server"] == name), key=_rate)
        p99 = best["p99"].median
        ours = [_rate(load) for load in loads if load["server"] == FACET and load["p99"].median <= p99]
        memory = values[FACET]["server"]["memory"].median / max(1.0, values[name]["server"]["memory"].median)
        yield {
            "peer": name,
            "peer_rate": _rate(best),
            "p99": p99,
            "facet_rate": max(ours) if ours else None,
            "ratio": max(ours) / _rate(best) if ours else None,
            "memory_ratio": memory,
        }


def _rate(load: Record) -> float:
    rate: float = load["images_per_second"].median
    return rate


def _figure(loads: Sequence[Record]) -> Draw:
    lines: dict[str, list[tuple[float, Spread]]] = {}
    for load in loads:
        lines.setdefault(load["server"], []).append((_rate(load), load["p99"]))
    return curves({"": lines}, "images per second", "p99, seconds")
