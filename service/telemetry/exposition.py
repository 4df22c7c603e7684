"""The text that a scraper reads, in the format that it asks for."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_END = b"# EOF\n"


class Family(NamedTuple):
    """Series that are written as text beside a registry's.

    Attributes:
        name: without the `_total` of a counter.
        documentation: one sentence.
        counter: whether it is a counter, else a gauge.
        series: labels and value of each; the values of labels have nothing to escape.
    """

    name: str
    documentation: str
    counter: bool
    series: Iterable[tuple[Mapping[str, str], float]]


def exposition(collector: Collector, families: Iterable[Family], accept: str) -> tuple[bytes, str]:
    """Write metrics, and return the text and its media type.

    Args:
        collector: of the client library's metrics.
        families: written after them.
        accept: the header of the request. Only OpenMetrics has exemplars.
    """
    encode, media_type = choose_encoder(accept)
    text = encode(collector)
    is_open = text.endswith(_END)
    lines = [line for family in families for line in _lines(family, is_open)]
    more = "".join(f"{line}\n" for line in lines).encode()
    return (text.removesuffix(_END) + more + _END if is_open else text + more), media_type


def _lines(family: Family, is_open: bool) -> Iterable[str]:
    sample = f"{family.name}_total" if family.counter else family.name
    name = family.name if is_open else sample
    yield f"# HELP {name} {family.documentation}"
    yield f"# TYPE {name} {'counter' if family.counter else 'gauge'}"
    for labels, value in family.series:
        named = ",".join(f'{label}="{value}"' for label, value in labels.items())
        yield f"{sample}{{{named}}} {value}" if named else f"{sample} {value}"
