"""Metrics of several processes as one: what HTTP workers count is added to what the engine's process counts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Metric

GROWING = ("_total", "_bucket", "_count", "_sum")
"""How the names of samples end that only ever grow."""


class Sample(NamedTuple):
    """Which number it is: the metric, the sample's name within it, and its labels in order."""

    metric: str
    name: str
    labels: tuple[tuple[str, str], ...]


def samples(registry: CollectorRegistry) -> dict[Sample, float]:
    """All numbers of a registry that can be added to those of another process."""
    return {
        _key(metric, sample): sample.value
        for metric in registry.collect()
        for sample in _added(metric)
    }


def growing(counted: Mapping[Sample, float]) -> Counter[Sample]:
    """Those that stay once their process has ended; else a sum over processes would go back."""
    return Counter(
        {sample: value for sample, value in counted.items() if sample.name.endswith(GROWING)}
    )


class Summed:
    """A registry's metrics with the samples of other processes added; for `generate_latest`."""

    def __init__(self, registry: CollectorRegistry, others: Mapping[Sample, float]) -> None:
        self._registry, self._others = registry, others

    def collect(self) -> Iterator[Metric]:
        """The metrics of the registry."""
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
        for sample in dict.fromkeys([*own, *others]):
            summed.add_sample(
                sample.name, dict(sample.labels), own.get(sample, 0.0) + others.get(sample, 0.0)
            )
        return summed


def _added(metric: Metric) -> Iterator[Any]:
    return (sample for sample in metric.samples if not sample.name.endswith("_created"))


def _key(metric: Metric, sample: Any) -> Sample:
    return Sample(metric.name, sample.name, tuple(sample.labels.items()))
