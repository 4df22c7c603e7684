"""Facet and its peers under the same load: each server alone on the machine, one after the other, in every round."""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

from facet_vision.bench.load import Closed, Target, generate
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.timing import turns
from facet_vision.bench.reporting.report import Report
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare
from facet_vision.bench.servers.processes import Request, Server, ServerFailed, free_port, running
from facet_vision.bench.servers.serving import facet, plan, spreads, summary, targets

from .registry import PEERS, Peer
from .tables import FACET, latency_figure, sections_of

Figures = dict[str, dict[str, float]]
"""Of one server in one round: those of each load by its number of clients, and those of the server as "server"."""


@dataclass(frozen=True)
class Asked:
    """What to measure.

    Attributes:
        peers: names from the registry; Facet is always there.
        dtype, peer_dtype: what Facet and what the peers compute in.
        batch: most images in a forward, for those that batch.
        clients: numbers of clients of the closed load.
    """

    peers: Sequence[str]
    backbone: str
    dtype: str
    peer_dtype: str
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
    chosen, notes = installed(asked)
    where = environment(sorted({package for peer in chosen for package in peer.packages}))
    with tempfile.TemporaryDirectory() as folder:
        progress(f"making {asked.tasks} tasks on {asked.backbone}")
        shape = TaskShape(tokens=asked.tokens)
        materials, _ = prepare(
            Path(folder), asked.backbone, dtype=asked.dtype, tasks=asked.tasks, shape=shape
        )
        rounds, failures = in_rounds(
            contenders(chosen, materials, asked, shape, progress), materials, asked, progress
        )
    values = {
        name: {key: spreads([r[key] for r in found]) for key in found[0]}
        for name, found in rounds.items()
    }
    sections = sections_of(values, [*notes, *failures])
    return Report(
        "peers", asdict(asked), where, sections, {"latency": latency_figure(sections[0].records)}
    )


def installed(asked: Asked) -> tuple[list[Peer], list[str]]:
    """The peers that can run here, and a sentence about each that cannot, or computes in another precision."""
    chosen, notes = [], []
    if asked.peer_dtype != asked.dtype:
        notes.append(f"Facet computes in {asked.dtype}, its peers in {asked.peer_dtype}.")
    for peer in (PEERS[name] for name in asked.peers):
        if peer.missing:
            notes.append(
                f"{peer.title}: left out, {', '.join(peer.missing)} not installed (extra `peers`)."
            )
        elif asked.peer_dtype not in peer.precisions:
            notes.append(
                f"{peer.title}: left out, it computes in {', '.join(peer.precisions)} here."
            )
        else:
            chosen.append(peer)
    return chosen, notes


def contenders(
    chosen: Sequence[Peer],
    materials: Materials,
    asked: Asked,
    shape: TaskShape,
    progress: Callable[[str], None],
) -> list[Contender]:
    """Facet and the chosen peers, each in the precision that is asked of it."""
    theirs = replace(materials, dtype=asked.peer_dtype)
    return [
        _facet(materials, asked),
        *(_peer(peer, theirs, asked, shape, progress) for peer in chosen),
    ]


def _facet(materials: Materials, asked: Asked) -> Contender:
    return Contender(
        FACET, lambda: facet(materials, max_batch=asked.batch), targets(materials.tasks)
    )


def _peer(
    peer: Peer,
    materials: Materials,
    asked: Asked,
    shape: TaskShape,
    progress: Callable[[str], None],
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
    contenders: Sequence[Contender],
    materials: Materials,
    asked: Asked,
    progress: Callable[[str], None],
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
    return {name: found for name, found in rounds.items() if name not in failures}, list(
        failures.values()
    )


def _measure(contender: Contender, materials: Materials, asked: Asked) -> Figures:
    begun = monotonic()
    with contender.start() as server:
        for target in contender.targets:
            if (status := server.ask(_request(target, materials))) != 200:
                raise ServerFailed(f"{target.path}: expected status 200, found {status}")
        started = monotonic() - begun
        loads = {
            str(clients): _load(server, contender, materials, asked, clients)
            for clients in asked.clients
        }
        server.check()
        return loads | {"server": {"start": started, "memory": float(server.memory())}}


def _load(
    server: Server, contender: Contender, materials: Materials, asked: Asked, clients: int
) -> dict[str, float]:
    return summary(
        generate(plan(server, materials, contender.targets, Closed(clients), asked.seconds))
    )
