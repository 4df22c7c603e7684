"""Facet and its peers under the same load: one server after the other, in every round."""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from facet_vision.bench.load import Closed, Target, generate
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.measuring.timing import turns
from facet_vision.bench.plans import PeersPlan
from facet_vision.bench.reporting.report import Report
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare
from facet_vision.bench.servers.processes import Request, Server, ServerFailed, free_port, running
from facet_vision.bench.servers.serving import facet, load_plan, spreads, summary, targets

from .registry import PEERS, Peer
from .tables import FACET, latency_figure, sections_of

Figures = dict[str, dict[str, float]]
"""One server in one round: figures of each load by its number of clients, and of "server"."""


@dataclass(frozen=True)
class Contender:
    """A server to be started, and its requests."""

    title: str
    start: Callable[[], AbstractContextManager[Server]]
    targets: Sequence[Target]


def measure(plan: PeersPlan, progress: Callable[[str], None]) -> Report:
    """Compare the servers.

    In every round each one is started, requested once for each task, and loaded with every number
    of clients.
    """
    chosen, notes = installed(plan)
    where = environment(sorted({package for peer in chosen for package in peer.packages}))
    with tempfile.TemporaryDirectory() as folder:
        progress(f"making {plan.tasks} tasks on {plan.backbone}")
        shape = TaskShape(tokens=plan.tokens)
        materials, _ = prepare(
            Path(folder), plan.backbone, dtype=plan.dtype, tasks=plan.tasks, shape=shape
        )
        servers = contenders(chosen, materials, plan, shape, progress)
        rounds, failures = in_rounds(servers, materials, plan, progress)
    values = {name: _over_rounds(found) for name, found in rounds.items()}
    sections = sections_of(values, [*notes, *failures])
    figures = {"latency": latency_figure(sections[0].records)}
    return Report("peers", plan.model_dump(), where, sections, figures)


def _over_rounds(rounds: Sequence[Figures]) -> dict[str, dict[str, Spread]]:
    return {key: spreads([figures[key] for figures in rounds]) for key in rounds[0]}


def installed(plan: PeersPlan) -> tuple[list[Peer], list[str]]:
    """Return the peers that can run here, and a sentence about each that cannot.

    A difference in precision is a sentence as well.
    """
    chosen, notes = [], []
    if plan.peers_compute_in != plan.dtype:
        notes.append(f"Facet computes in {plan.dtype}, its peers in {plan.peers_compute_in}.")
    for peer in (PEERS[name] for name in plan.peer):
        if peer.missing:
            notes.append(
                f"{peer.title}: left out, {', '.join(peer.missing)} not installed (extra `peers`)."
            )
        elif plan.peers_compute_in not in peer.precisions:
            notes.append(
                f"{peer.title}: left out, it computes in {', '.join(peer.precisions)} here."
            )
        else:
            chosen.append(peer)
    return chosen, notes


def contenders(
    chosen: Sequence[Peer],
    materials: Materials,
    plan: PeersPlan,
    shape: TaskShape,
    progress: Callable[[str], None],
) -> list[Contender]:
    """Return Facet and the chosen peers, each in its precision."""
    theirs = replace(materials, dtype=plan.peers_compute_in)
    return [
        _facet(materials, plan),
        *(_peer(peer, theirs, plan, shape, progress) for peer in chosen),
    ]


def _facet(materials: Materials, plan: PeersPlan) -> Contender:
    return Contender(
        FACET, lambda: facet(materials, max_batch=plan.batch), targets(materials.tasks)
    )


def _peer(
    peer: Peer,
    materials: Materials,
    plan: PeersPlan,
    shape: TaskShape,
    progress: Callable[[str], None],
) -> Contender:
    log = materials.folder / f"{peer.module}.log"
    options = {"labels": shape.labels, "batch": plan.batch}
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
    plan: PeersPlan,
    progress: Callable[[str], None],
) -> tuple[dict[str, list[Figures]], list[str]]:
    """Measure every contender in every round.

    Returns:
        Figures of each contender, one per round, and a sentence about each that failed; it is not
        tried again, and its figures are dropped.
    """
    named = {contender.title: contender for contender in contenders}
    rounds: dict[str, list[Figures]] = {name: [] for name in named}
    failures: dict[str, str] = {}
    for number, name in turns(list(named), plan.rounds):
        if name in failures:
            continue
        progress(f"round {number + 1} of {plan.rounds}: {name}")
        try:
            rounds[name].append(_measure(named[name], materials, plan))
        except ServerFailed as error:
            failures[name] = f"{name}: left out, it failed: {error}."
    complete = {name: found for name, found in rounds.items() if name not in failures}
    return complete, list(failures.values())


def _measure(contender: Contender, materials: Materials, plan: PeersPlan) -> Figures:
    begun = monotonic()
    with contender.start() as server:
        for target in contender.targets:
            status = server.post(_request(target, materials))
            if status != 200:
                raise ServerFailed(f"{target.path}: expected status 200, found {status}")
        started = monotonic() - begun
        loads = {
            str(clients): _load(server, contender, materials, plan, clients)
            for clients in plan.clients
        }
        server.check()
        return loads | {"server": {"start": started, "memory": float(server.memory())}}


def _load(
    server: Server, contender: Contender, materials: Materials, plan: PeersPlan, clients: int
) -> dict[str, float]:
    load = load_plan(server, materials, contender.targets, Closed(clients), plan.seconds)
    return summary(generate(load))
