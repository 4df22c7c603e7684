"""Metrics of several processes as one.

What the HTTP workers count is added to what the engine's process counts.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Metric

GROWING_SUFFIXES = ("_total", "_bucket", "_count", "_sum")
"""Ends of the names of samples that never decrease."""


class Sample(NamedTuple):
    """The identity of one number: the metric, the sample's name within it, and its labels."""

    metric: str
    name: str
    labels: tuple[tuple[str, str], ...]


def samples(registry: CollectorRegistry) -> dict[Sample, float]:
    """Return all numbers of a registry that can be added to those of another process."""
    return {
        _key(metric, sample): sample.value
        for metric in registry.collect()
        for sample in _addable(metric)
    }


def growing(counted: Mapping[Sample, float]) -> Counter[Sample]:
    """Return the numbers that still count once their process has ended.

    Without them a sum over the processes would decrease, which Prometheus takes for a restart.
    """
    return Counter(
        {
            sample: value
            for sample, value in counted.items()
            if sample.name.endswith(GROWING_SUFFIXES)
        }
    )


class Summed:
    """A registry's metrics with the samples of other processes added; for `generate_latest`."""

    def __init__(self, registry: CollectorRegistry, others: Mapping[Sample, float]) -> None:
        self._registry = registry
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the registry."""
        for metric in self._registry.collect():
            yield self._with_others(metric)

    def _with_others(self, metric: Metric) -> Metric:
        others = {
            sample: value for sample, value in self._others.items() if sample.metric == metric.name
        }
        if not others:
            return metric
        own = {_key(metric, sample): sample.value for sample in metric.samples}
        summed = Metric(metric.name, metric.documentation, metric.type)
        for sample in dict.fromkeys([*own, *others]):  # a set that keeps the order
            value = own.get(sample, 0.0) + others.get(sample, 0.0)
            summed.add_sample(sample.name, dict(sample.labels), value)
        return summed


def _addable(metric: Metric) -> Iterator[Any]:
    """Yield a metric's samples except the times at which they were created."""
    return (sample for sample in metric.samples if not sample.name.endswith("_created"))


def _key(metric: Metric, sample: Any) -> Sample:
    return Sample(metric.name, sample.name, tuple(sample.labels.items()))
