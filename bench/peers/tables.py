"""The tables of `facet bench peers`."""

from collections.abc import Iterator, Mapping, Sequence

from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.reporting.figures import Draw, curves
from facet_vision.bench.reporting.report import Column, Record, Section
from facet_vision.bench.servers.serving import COLUMNS, generator_note

FACET = "Facet"


def sections_of(
    values: Mapping[str, Mapping[str, Mapping[str, Spread]]], notes: Sequence[str]
) -> list[Section]:
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


def _equal(
    loads: Sequence[Record], values: Mapping[str, Mapping[str, Mapping[str, Spread]]]
) -> Iterator[Record]:
    for name in values:
        if name == FACET:
            continue
        best = max((load for load in loads if load["server"] == name), key=_rate)
        p99 = best["p99"].median
        ours = [
            _rate(load) for load in loads if load["server"] == FACET and load["p99"].median <= p99
        ]
        memory = values[FACET]["server"]["memory"].median / max(
            1.0, values[name]["server"]["memory"].median
        )
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


def latency_figure(loads: Sequence[Record]) -> Draw:
    lines: dict[str, list[tuple[float, Spread]]] = {}
    for load in loads:
        lines.setdefault(load["server"], []).append((_rate(load), load["p99"]))
    return curves({"": lines}, "images per second", "p99, seconds")
