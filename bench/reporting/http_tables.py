"""Tables of `facet bench http`."""

from collections.abc import Mapping, Sequence
from typing import Any

from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.servers.serving import COLUMNS, generator_note

from .figures import Draw, curves
from .report import Column, Record, Section

PEAK = "closed load beside it"
OVERLOAD = "overload"
CALM = "without the hot task"
HOT = "with the hot task"


def closed_section(records: Sequence[Record]) -> Section:
    """Make the table of throughput over the number of clients, against the engine."""
    columns = [Column.of("what"), *COLUMNS, Column.of("of_engine", "of the engine alone"), *LAG]
    return Section("Over concurrency", records, columns, [LAG_NOTE, generator_note(records)])


def open_sections(found: Mapping[str, Mapping[str, Spread]]) -> list[Section]:
    """Make a table for each kind of open load that was measured."""
    named = {name: {"what": name} | dict(values) for name, values in found.items()}
    below = [record for name, record in named.items() if name not in (PEAK, OVERLOAD, CALM, HOT)]
    sections = []
    if below:
        columns = [Column.of("what", "arrivals"), *COLUMNS]
        sections.append(
            Section("Random arrivals", below, columns, [ARRIVALS, generator_note(below)])
        )
    if OVERLOAD in named:
        sections.append(_overload_section(named))
    if HOT in named:
        sections.append(_hot_section(named))
    return sections


LAG = (
    Column.of("lag_p99", "event loop late, p99 ms", 0, 1e3),
    Column.of("lag_most", "at most, ms", 0, 1e3),
)
LAG_NOTE = (
    "The lag of the server's event loop is read from the bounds of its histogram, so it is rounded "
    "up."
)
ARRIVALS = "Requests arrive by a Poisson process; latency counts from when a request was due."


def _overload_section(named: Mapping[str, Mapping[str, Any]]) -> Section:
    record = dict(named[OVERLOAD])
    record["of_peak"] = record["images_per_second"].over(named[PEAK]["images_per_second"])
    columns = [
        Column.of("offered", "offered/s", 1),
        Column.of("images_per_second", "answered/s", 1),
        Column.of("of_peak", "of the closed load beside it"),
        Column.of("p99", "p99 ms", 0, 1e3),
        Column.of("refused_per_second", "refused/s", 1),
        Column.of("refused_p99", "their p99 ms", 0, 1e3),
        Column.of("unanswered", "no answer", 3),
        Column.of("memory_before", "memory before, MB", 0, 1e-6),
        Column.of("memory_growth", "most growth, MB", 1, 1e-6),
    ]
    return Section("Overload", [record], columns, [ARRIVALS])


def _hot_section(named: Mapping[str, Mapping[str, Any]]) -> Section:
    calm = named[CALM]["others_p99"]
    records = [
        dict(named[name]) | {"of_calm": named[name]["others_p99"].over(calm)}
        for name in (CALM, HOT)
    ]
    columns = [
        Column.of("what", "traffic"),
        Column.of("offered", "offered/s", 1),
        Column.of("others_p99", "the others' p99 ms", 1, 1e3),
        Column.of("of_calm", "over that without"),
    ]
    return Section("One hot task", records, columns, [ARRIVALS])


def latency_figure(records: Sequence[Record]) -> Draw:
    """Draw latency over throughput of the closed loads."""
    loads = [record for record in records if record["clients"]]
    quantiles = {
        key: [(record["images_per_second"].median, _milliseconds(record[key])) for record in loads]
        for key in ("p50", "p95", "p99")
    }
    return curves({"closed load": quantiles}, "images per second", "latency, ms")


def _milliseconds(spread: Spread) -> Spread:
    return Spread(tuple(1e3 * value for value in spread.rounds))
