"""Tables of `facet bench peers`."""

from collections.abc import Iterator, Mapping, Sequence

from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.reporting.figures import Draw, curves
from facet_vision.bench.reporting.report import Column, Record, Section
from facet_vision.bench.servers.serving import COLUMNS, generator_note

FACET = "Facet"


def sections_of(
    values: Mapping[str, Mapping[str, Mapping[str, Spread]]], notes: Sequence[str]
) -> list[Section]:
    """Make the tables of all loads, of the servers themselves, and of the peers at equal p99."""
    loads: list[Record] = []
    for name, found in values.items():
        by_clients = {key: figures for key, figures in found.items() if key != "server"}
        for clients, figures in by_clients.items():
            loads.append({"server": name, "clients": int(clients)} | dict(figures))
    servers = [{"server": name} | dict(found["server"]) for name, found in values.items()]
    notes = [*notes, generator_note(loads)] if loads else notes
    sections = [
        Section("Load", loads, [Column.of("server"), Column.of("clients"), *COLUMNS], notes),
        Section("Servers", servers, SERVER_COLUMNS, [SERVER_NOTE]),
    ]
    if FACET in values:
        sections.append(
            Section("Facet at equal p99", list(_equal(loads, values)), EQUAL_COLUMNS, [EQUAL_NOTE])
        )
    return sections


SERVER_COLUMNS = [
    Column.of("server"),
    Column.of("start", "start s", 1),
    Column.of("memory", "memory, MB", 0, 1e-6),
]
SERVER_NOTE = (
    "Start: from the start of the process until every task has answered once. Memory: of all its "
    "processes after the load, pages that they share counted once (PSS)."
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
    "Each peer at the load at which it answers most, and Facet at the load of those above at which "
    "it answers most while its p99 is not above the peer's; no value where all of Facet's are. "
    "Medians over rounds."
)


def _equal(
    loads: Sequence[Record], values: Mapping[str, Mapping[str, Mapping[str, Spread]]]
) -> Iterator[Record]:
    """Compare Facet with each peer at the latency that the peer has at its best throughput."""
    for name in values:
        if name == FACET:
            continue
        best = max((load for load in loads if load["server"] == name), key=_rate)
        p99 = best["p99"].median
        ours = [load for load in loads if load["server"] == FACET and load["p99"].median <= p99]
        rate = max(map(_rate, ours)) if ours else None
        memory, peer_memory = (
            values[server]["server"]["memory"].median for server in (FACET, name)
        )
        yield {
            "peer": name,
            "peer_rate": _rate(best),
            "p99": p99,
            "facet_rate": rate,
            "ratio": None if rate is None else rate / _rate(best),
            "memory_ratio": memory / max(1.0, peer_memory),
        }


def _rate(load: Record) -> float:
    rate: float = load["images_per_second"].median
    return rate


def latency_figure(loads: Sequence[Record]) -> Draw:
    """Draw p99 over throughput, a curve for each server."""
    lines: dict[str, list[tuple[float, Spread]]] = {}
    for load in loads:
        lines.setdefault(load["server"], []).append((_rate(load), load["p99"]))
    return curves({"": lines}, "images per second", "p99, seconds")
