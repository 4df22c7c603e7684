"""Metrics of several processes as one.

What the HTTP workers count is added to what the engine's process counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.samples import Exemplar
from pydantic_core import from_json, to_json

GROWING_SUFFIXES = ("_total", "_bucket", "_count", "_sum")
"""Ends of the names of samples that never decrease."""


class Sample(NamedTuple):
    """The identity of one number: the metric, the sample's name within it, and its labels."""

    metric: str
    name: str
    labels: tuple[tuple[str, str], ...]


@dataclass
class Counted:
    """What processes have counted.

    Attributes:
        values: all numbers that can be added to those of another process.
        exemplars: of some of them, the last measurement that leads to a trace.
    """

    values: dict[Sample, float] = field(default_factory=dict)
    exemplars: dict[Sample, Exemplar] = field(default_factory=dict)

    @classmethod
    def of(cls, registry: CollectorRegistry) -> Self:
        """Return what a process has counted."""
        counted = cls()
        for metric in registry.collect():
            for sample in _addable(metric):
                counted._put(_key(metric, sample), sample.value, sample.exemplar)
        return counted

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Return what another process has written."""
        counted = cls()
        for metric, name, labels, value, exemplar in from_json(payload):
            sample = Sample(metric, name, tuple(map(tuple, labels)))
            counted._put(sample, value, Exemplar(*exemplar) if exemplar else None)
        return counted

    def write(self) -> bytes:
        """Return it as bytes for another process."""
        numbers = [(*key, value, self.exemplars.get(key)) for key, value in self.values.items()]
        return to_json(numbers)

    def add(self, other: "Counted") -> None:
        """Add what another process has counted; of two exemplars the later one stays."""
        for sample, value in other.values.items():
            self.values[sample] = self.values.get(sample, 0.0) + value
        for sample, exemplar in other.exemplars.items():
            self._lead(sample, exemplar)

    def growing(self) -> "Counted":
        """Return the numbers that still count once their process has ended.

        Without them a sum over the processes would decrease, which Prometheus takes for a restart.
        """
        values = {key: value for key, value in self.values.items() if _grows(key)}
        leading = {key: exemplar for key, exemplar in self.exemplars.items() if _grows(key)}
        return Counted(values, leading)

    def _put(self, sample: Sample, value: float, exemplar: Exemplar | None) -> None:
        self.values[sample] = value
        if exemplar is not None:
            self._lead(sample, exemplar)

    def _lead(self, sample: Sample, exemplar: Exemplar) -> None:
        before = self.exemplars.get(sample)
        if before is None or _time(before) <= _time(exemplar):
            self.exemplars[sample] = exemplar


class Summed:
    """A registry's metrics with the samples of other processes added; for an encoder.

    Times at which series were created are left out: they would be those of one process.
    """

    def __init__(self, registry: CollectorRegistry, others: Counted) -> None:
        self._registry = registry
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the registry."""
        # By metric once, since there are as many samples as series.
        others: dict[str, list[Sample]] = {}
        for sample in self._others.values:
            others.setdefault(sample.metric, []).append(sample)
        for metric in self._registry.collect():
            yield self._with_others(metric, others.get(metric.name, []))

    def _with_others(self, metric: Metric, others: list[Sample]) -> Metric:
        total = Counted()
        for sample in _addable(metric):
            total._put(_key(metric, sample), sample.value, sample.exemplar)
        theirs = self._others
        leading = {key: theirs.exemplars[key] for key in others if key in theirs.exemplars}
        total.add(Counted({key: theirs.values[key] for key in others}, leading))
        summed = Metric(metric.name, metric.documentation, metric.type)
        for key, value in total.values.items():
            exemplar = total.exemplars.get(key)
            summed.add_sample(key.name, dict(key.labels), value, exemplar=exemplar)
        return summed


def _addable(metric: Metric) -> Iterator[Any]:
    """Yield a metric's samples except the times at which they were created."""
    return (sample for sample in metric.samples if not sample.name.endswith("_created"))


def _grows(sample: Sample) -> bool:
    return sample.name.endswith(GROWING_SUFFIXES)


def _key(metric: Metric, sample: Any) -> Sample:
    return Sample(metric.name, sample.name, tuple(sample.labels.items()))


def _time(exemplar: Exemplar) -> float:
    return float(exemplar.timestamp or 0)
