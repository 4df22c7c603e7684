"""Prometheus metrics of one application, in a registry of its own."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)

from facet_vision.backbone import Backbone
from facet_vision.service.engine.batch import BatchReport
from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.engine.resident import BACKBONE
from facet_vision.service.residency.bank import Bank, MemoryTier
from facet_vision.service.residency.loader import Source
from facet_vision.service.residency.registry import Registry
from facet_vision.service.residency.single_flight import SingleFlight

from .exposition import Family, exposition
from .gateway import Gateway
from .multiprocess import Counted, Summed
from .traces import exemplar

# Upper bounds of the histograms' buckets.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
AGE_SECONDS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Everything that is counted.

    A task becomes a label only once it is known to exist, and ceases to be one when it is retired:
    a client cannot create series by inventing names.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = self._counter
        histogram = self._histogram

        # Requests.
        self.requests = counter("requests", "Requests answered.", "method", "route", "status")
        self.request_seconds = histogram(
            "request_seconds", "From arrival to answer.", SECONDS, "route"
        )
        self.rejections = counter("rejections", "Requests refused or failed, by reason.", "reason")
        self.images = TaskCounter("facet_images", "Answers given, one for each image and task.")
        self.decode_seconds = histogram(
            "decode_seconds", "Decoding and preprocessing of an image.", SECONDS
        )
        self.loop_lag = histogram(
            "event_loop_lag_seconds", "How late the event loop runs what is due.", SECONDS
        )

        # Batches.
        self.batches = counter("batches", "Forwards, and why they left.", "reason")
        self.batch_rows = histogram(
            "batch_rows", "Rows, one image for one task, in a forward.", ROWS
        )
        self.batch_images = histogram("batch_images", "Images computed in a forward.", ROWS)
        self.batch_tasks = histogram("batch_tasks", "Tasks that share a forward.", ROWS)
        self.queue_seconds = histogram("queue_seconds", "Wait of a row for its batch.", SECONDS)
        self.forward_seconds = histogram("forward_seconds", "Forward of a batch.", SECONDS)
        self.head_seconds = histogram("head_seconds", "The heads' part of a forward.", SECONDS)

        # Tasks.
        self.changes = counter("task_changes", "Changes of tasks, and refreshes.", "change")
        self.lookups = counter(
            "task_lookups", "Tasks that requests named, by where they were found.", "found"
        )
        self.miss_seconds = histogram(
            "task_miss_seconds", "Wait of a lookup for its task.", SECONDS
        )
        self.load_seconds = histogram(
            "task_load_seconds", "Bringing a task to the device.", SECONDS, "source"
        )
        self.load_failures = counter(
            "task_load_failures", "Tasks that could not be brought to the device."
        )
        self.eviction_age = histogram(
            "task_eviction_age_seconds",
            "Time since the last use of an evicted task.",
            AGE_SECONDS,
            "tier",
        )

        # The store.
        self.poll_failures = counter(
            "store_poll_failures", "Looks for changes in the store that failed."
        )

        # Known once `watch` is called; an HTTP worker has none, and counts no images by task.
        self._registry: Registry | None = None
        self._gateway: Gateway | None = None

    def describe(self, backbone: Backbone) -> None:
        """Report the backbone, how it is run, and what the process takes of the machine."""
        ProcessCollector(registry=self.registry)
        Info("facet_backbone", "The backbone, and how it is run.", registry=self.registry).info(
            {
                "name": backbone.name,
                "fingerprint": backbone.fingerprint,
                "device": str(backbone.device),
                "dtype": str(backbone.dtype).removeprefix("torch."),
                "execution": backbone.execution,
            }
        )

    def watch(self, bank: Bank, registry: Registry, loads: SingleFlight, batcher: Batcher) -> None:
        """Report, at every scrape, what is on the device and in host memory, and the queues."""
        self._registry = registry
        gauge = self._gauge
        device = bank.device
        host = bank.host
        gauge(
            "known_tasks",
            "Tasks in the store, those out of service included.",
            lambda: len(registry),
        )
        gauge("resident_tasks", "Tasks on the device.", lambda: len(device))
        gauge("resident_bytes", "Bytes that tasks hold on the device.", lambda: device.nbytes)
        gauge("resident_budget_bytes", "Most bytes of tasks on the device.", lambda: device.budget)
        gauge(
            "leaving_bytes",
            "Bytes of evicted or replaced tasks with rows to answer.",
            lambda: bank.leaving_bytes,
        )
        gauge("hosted_tasks", "Task files in host memory.", lambda: len(host))
        gauge("hosted_bytes", "Bytes of task files in host memory.", lambda: host.nbytes)
        gauge(
            "hosted_budget_bytes", "Most bytes of task files in host memory.", lambda: host.budget
        )
        gauge(
            "waiting_lookups", "Lookups that wait for a task to be loaded.", lambda: loads.waiting
        )
        gauge("waiting_tasks", "Tasks with such rows.", lambda: len(batcher.waiting_tasks()))
        gauge(
            "running_tasks",
            "Tasks in the batches that run.",
            lambda: len(batcher.running_tasks()),
        )
        gauge("running_seconds", "Age of the oldest batch that runs.", batcher.running_seconds)
        gauge("queued_rows", "Rows that wait for a batch.", lambda: batcher.queued)
        gauge("admitted_rows", "Rows admitted and not yet answered.", lambda: batcher.admitted)
        gauge("batch_limit", "Images that the next forward may hold.", lambda: batcher.batch_limit)

    def watch_readiness(self, ready: Callable[[], bool], queue_limit: int) -> None:
        """Report, at every scrape, whether requests are taken, and how many at most."""
        self._gauge("ready", "1 if requests are taken, else 0.", ready)
        self._gauge("queue_limit", "Most rows admitted and not yet answered.", lambda: queue_limit)

    def show_gateway(self, gateway: Gateway) -> None:
        """Show the gauges of gateways as well."""
        self._gateway = gateway

    def watch_trainings(self, count: Callable[[str], int], states: Iterable[str]) -> None:
        """Report, at every scrape, how many trainings are in each state."""
        gauge = Gauge("facet_trainings", "Trainings, by state.", ["state"], registry=self.registry)
        for state in states:
            gauge.labels(state).set_function(partial(count, state))

    def watch_bodies(self, held_bytes: Callable[[], int]) -> None:
        """Report the bytes of request bodies at every scrape."""
        self._gauge("body_bytes", "Bytes of request bodies that are held.", held_bytes)

    def watch_http_workers(self, count: Callable[[], int], wanted: int) -> None:
        """Report how many HTTP workers are connected, at every scrape, and how many should be."""
        self._gauge("http_workers_wanted", "HTTP workers that are configured.", lambda: wanted)
        self._gauge(
            "http_workers", "HTTP workers that are connected; 0 in a server of one process.", count
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.labels(method, route, status).inc()
        self.request_seconds.labels(route).observe(seconds, exemplar())

    def count_decode(self, seconds: float) -> None:
        """Count an image that was decoded and preprocessed."""
        self.decode_seconds.observe(seconds, exemplar())

    def count_rejection(self, reason: str) -> None:
        """Count a request that was answered with a problem."""
        self.rejections.labels(reason).inc()

    def count_images(self, task: str, images: int) -> None:
        """Count images that a task, or the bare backbone, answered.

        A task that was retired in the meantime counts no more: its series has ended.
        """
        if self._registry is not None and (task == BACKBONE or self._registry.is_live(task)):
            self.images.add(task, images)

    def count_change(self, change: str, task: str) -> None:
        """Count a task that was published, activated, retired or refreshed."""
        self.changes.labels(change).inc()
        if self._registry is not None and not self._registry.is_live(task):
            self.images.remove(task)

    def count_lookups(self, found: Literal["device", "host", "store"], count: int = 1) -> None:
        """Count lookups that found their task on the device, in host memory or in the store."""
        self.lookups.labels(found).inc(count)

    def count_miss(self, seconds: float) -> None:
        """Count a lookup that waited for its task."""
        self.miss_seconds.observe(seconds)

    def count_load(self, source: Source, seconds: float) -> None:
        """Count a task that was loaded onto the device."""
        self.load_seconds.labels(source).observe(seconds)

    def count_load_failure(self) -> None:
        """Count a task that could not be loaded onto the device."""
        self.load_failures.inc()

    def count_eviction(self, tier: MemoryTier, age: float) -> None:
        """Count a task that a memory tier evicted, `age` seconds after its last use."""
        self.eviction_age.labels(tier).observe(age)

    def count_batch(self, report: BatchReport) -> None:
        """Count a batch that was answered."""
        self.batches.labels("full" if report.full else "drained").inc()
        self.batch_rows.observe(report.rows)
        self.batch_images.observe(report.images)
        self.batch_tasks.observe(report.tasks)
        leading = next(filter(None, report.exemplars), None)
        self.forward_seconds.observe(report.forward_seconds, leading)
        self.head_seconds.observe(report.head_seconds, leading)
        for seconds, each in zip(report.queue_seconds, report.exemplars, strict=True):
            self.queue_seconds.observe(seconds, each)

    def text(self, others: Counted, accept: str = "") -> tuple[bytes, str]:
        """Write all metrics, and return the text and its media type.

        Args:
            others: what other processes have counted; it is added.
            accept: the formats that the scraper takes, as in HTTP.
        """
        shown = [self.images.family()]
        if self._gateway is not None:
            shown += self._gateway.families()
        return exposition(Summed(self.registry, others), shown, accept)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"facet_{name}", documentation, labels, registry=self.registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"facet_{name}", documentation, labels, buckets=buckets, registry=self.registry
        )

    def _gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        Gauge(f"facet_{name}", documentation, registry=self.registry).set_function(read)


class TaskCounter:
    """A counter with a series for each task.

    It is separate from the registry, because a scrape of ten thousand series of the registry would
    block the event loop for a second. The rule for task names leaves nothing to escape in a label.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts: dict[str, int] = {}

    def add(self, task: str, count: int) -> None:
        """Add to a task's count; the first call begins its series."""
        self._counts[task] = self._counts.get(task, 0) + count

    def remove(self, task: str) -> None:
        """End the series of a task, if there is one."""
        self._counts.pop(task, None)

    def family(self) -> Family:
        """Return the series."""
        series = (({"task": task}, count) for task, count in self._counts.items())
        return Family(self._name, self._documentation, True, series)
