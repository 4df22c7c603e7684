"""Prometheus metrics of one application; each has a registry of its own."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from facet_vision.backbone import Backbone
from facet_vision.service.engine.batcher import Batcher, BatchReport
from facet_vision.service.http.body_budget import BodyBudget
from facet_vision.service.residency.bank import Bank, MemoryTier
from facet_vision.service.residency.loader import Source
from facet_vision.service.residency.registry import Registry
from facet_vision.service.residency.single_flight import SingleFlight

from .multiprocess import Sample, Summed

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
AGES = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Everything that is counted. A task becomes a label only once it is known to exist, and stops being one when it
    is retired."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self.request_seconds = self._histogram(
            "request_seconds", "From arrival to answer.", SECONDS, "route"
        )
        self.rejections = self._counter(
            "rejections", "Requests refused or failed, by reason.", "reason"
        )
        self.images = TaskCounter(
            "facet_images_total", "Answers given, one for each image and task."
        )
        self.batches = self._counter("batches", "Forwards, and why they left.", "reason")
        self.batch_rows = self._histogram(
            "batch_rows", "Rows, one image for one task, in a forward.", ROWS
        )
        self.batch_images = self._histogram("batch_images", "Images computed in a forward.", ROWS)
        self.batch_tasks = self._histogram("batch_tasks", "Tasks that share a forward.", ROWS)
        self.queue_seconds = self._histogram(
            "queue_seconds", "Wait of a row for its batch.", SECONDS
        )
        self.forward_seconds = self._histogram("forward_seconds", "Forward of a batch.", SECONDS)
        self.decode_seconds = self._histogram(
            "decode_seconds", "Decoding and preprocessing of an image.", SECONDS
        )
        self.loop_lag = self._histogram(
            "event_loop_lag_seconds", "How late the event loop runs what is due.", SECONDS
        )
        self.changes = self._counter(
            "task_changes", "Tasks published, activated, retired or refreshed.", "change"
        )
        self.lookups = self._counter(
            "task_lookups", "Tasks that requests named, by where they were found.", "found"
        )
        self.miss_seconds = self._histogram(
            "task_miss_seconds", "Wait of a lookup for its task.", SECONDS
        )
        self.load_seconds = self._histogram(
            "task_load_seconds", "Bringing a task to the device.", SECONDS, "source"
        )
        self.load_failures = self._counter(
            "task_load_failures", "Tasks that could not be brought to the device."
        )
        self.eviction_age = self._histogram(
            "task_eviction_age_seconds", "Time since the last use of an evicted task.", AGES, "tier"
        )
        self._registry: Registry | None = None

    def describe(self, backbone: Backbone) -> None:
        """Report what runs, where and in what form, and what it takes of the machine."""
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
        """Report the size of the tiers and of the queues whenever somebody asks."""
        self._registry = registry
        self._gauge(
            "known_tasks",
            "Tasks in the store, those out of service included.",
            lambda: len(registry),
        )
        self._gauge("resident_tasks", "Tasks on the device.", lambda: len(bank.device))
        self._gauge(
            "resident_bytes", "Bytes that tasks hold on the device.", lambda: bank.device.nbytes
        )
        self._gauge(
            "resident_budget_bytes",
            "Most bytes of tasks on the device.",
            lambda: bank.device.budget,
        )
        self._gauge(
            "leaving_bytes",
            "Bytes of evicted or replaced tasks with rows to answer.",
            lambda: bank.leaving_bytes,
        )
        self._gauge("hosted_tasks", "Task files in host memory.", lambda: len(bank.host))
        self._gauge("hosted_bytes", "Bytes of task files in host memory.", lambda: bank.host.nbytes)
        self._gauge(
            "hosted_budget_bytes",
            "Most bytes of task files in host memory.",
            lambda: bank.host.budget,
        )
        self._gauge(
            "waiting_lookups", "Lookups that wait for a task to be loaded.", lambda: loads.waiting
        )
        self._gauge("queued_rows", "Rows that wait for a batch.", lambda: batcher.queued)
        self._gauge(
            "admitted_rows", "Rows admitted and not yet answered.", lambda: batcher.admitted
        )
        self._gauge(
            "batch_limit", "Images that the next forward may hold.", lambda: batcher.batch_limit
        )

    def watch_bodies(self, budget: BodyBudget) -> None:
        """Report the bytes of request bodies whenever somebody asks."""
        self._gauge("body_bytes", "Bytes of request bodies that are held.", lambda: budget.held)

    def watch_http_workers(self, count: Callable[[], int]) -> None:
        """Report how many processes speak HTTP for this one."""
        self._gauge(
            "http_workers", "HTTP workers that are connected; 0 in a server of one process.", count
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests.labels(method, route, status).inc()
        self.request_seconds.labels(route).observe(seconds)

    def count_rejection(self, reason: str) -> None:
        """A request was answered with a problem."""
        self.rejections.labels(reason).inc()

    def count_images(self, task: str, images: int) -> None:
        """Images answered; nothing for a task that was retired in the meantime, whose series is gone."""
        if self._registry is not None and self._registry.is_live(task):
            self.images.add(task, images)

    def count_change(self, change: str, task: str) -> None:
        """A task was published, activated, retired or refreshed."""
        self.changes.labels(change).inc()
        if self._registry is not None and not self._registry.is_live(task):
            self.images.remove(task)

    def count_lookups(self, found: Literal["device", "host", "store"], count: int = 1) -> None:
        """So many lookups found their task there."""
        self.lookups.labels(found).inc(count)

    def count_miss(self, seconds: float) -> None:
        """A lookup waited so long for its task."""
        self.miss_seconds.observe(seconds)

    def count_load(self, source: Source, seconds: float) -> None:
        """A task was brought onto the device."""
        self.load_seconds.labels(source).observe(seconds)

    def count_load_failure(self) -> None:
        """A task could not be brought onto the device."""
        self.load_failures.inc()

    def count_eviction(self, tier: MemoryTier, age: float) -> None:
        """A tier evicted a task so many seconds after its last use."""
        self.eviction_age.labels(tier).observe(age)

    def count_batch(self, report: BatchReport) -> None:
        """A batch was answered."""
        self.batches.labels("full" if report.full else "drained").inc()
        self.batch_rows.observe(report.rows)
        self.batch_images.observe(report.images)
        self.batch_tasks.observe(report.tasks)
        self.forward_seconds.observe(report.forward_seconds)
        for seconds in report.queue_seconds:
            self.queue_seconds.observe(seconds)

    def text(self, others: Mapping[Sample, float]) -> bytes:
        """The exposition format that Prometheus reads, with what other processes have counted."""
        return generate_latest(Summed(self.registry, others)) + self.images.text()

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"facet_{name}", documentation, labels, registry=self.registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"facet_{name}", documentation, labels, buckets=buckets, registry=self.registry
        )

    def _gauge(self, name: str, documentation: str, read: Any) -> None:
        Gauge(f"facet_{name}", documentation, registry=self.registry).set_function(read)


class TaskCounter:
    """A counter with a series for each task.

    Apart from the registry, because a scrape of ten thousand of its series would hold up the event loop for a second;
    the rule for task names leaves nothing to escape.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self._counts: dict[str, int] = {}

    def add(self, task: str, count: int) -> None:
        """Count so many more; the first makes the series."""
        self._counts[task] = self._counts.get(task, 0) + count

    def remove(self, task: str) -> None:
        """End the series of a task; nothing happens if there is none."""
        self._counts.pop(task, None)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        lines = [f"# HELP {self._name} {self._documentation}", f"# TYPE {self._name} counter"]
        lines += [f'{self._name}{{task="{task}"}} {count}' for task, count in self._counts.items()]
        return ("\n".join(lines) + "\n").encode()
