"""Prometheus metrics of one application; each has a registry of its own."""

from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .bank import Bank
from .batcher import Batcher, BatchReport
from .body_budget import BodyBudget

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Everything that is counted. A task becomes a label only once it is known to exist, and stops being one when it
    is retired."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self.request_seconds = self._histogram("request_seconds", "From arrival to answer.", SECONDS, "route")
        self.rejections = self._counter("rejections", "Requests refused or failed, by reason.", "reason")
        self.images = self._counter("images", "Answers given, one for each image and task.", "task")
        self.batches = self._counter("batches", "Forwards, and why they left.", "reason")
        self.batch_rows = self._histogram("batch_rows", "Rows, one image for one task, in a forward.", ROWS)
        self.batch_images = self._histogram("batch_images", "Images computed in a forward.", ROWS)
        self.batch_tasks = self._histogram("batch_tasks", "Tasks that share a forward.", ROWS)
        self.queue_seconds = self._histogram("queue_seconds", "Wait of a row for its batch.", SECONDS)
        self.forward_seconds = self._histogram("forward_seconds", "Forward of a batch.", SECONDS)
        self.decode_seconds = self._histogram("decode_seconds", "Decoding and preprocessing of an image.", SECONDS)
        self.changes = self._counter("task_changes", "Tasks published, activated, retired or refreshed.", "change")
        self._bank: Bank | None = None

    def watch(self, bank: Bank, batcher: Batcher) -> None:
        """Report the size of the bank and of the queue whenever somebody asks."""
        self._bank = bank
        self._gauge("resident_tasks", "Tasks on the device.", lambda: len(bank))
        self._gauge("resident_bytes", "Bytes that tasks hold on the device.", lambda: bank.nbytes)
        self._gauge("queued_rows", "Rows that wait for a batch.", lambda: batcher.queued)
        self._gauge("admitted_rows", "Rows admitted and not yet answered.", lambda: batcher.admitted)
        self._gauge("batch_limit", "Images that the next forward may hold.", lambda: batcher.batch_limit)

    def watch_bodies(self, budget: BodyBudget) -> None:
        """Report the bytes of request bodies whenever somebody asks."""
        self._gauge("body_bytes", "Bytes of request bodies that are held.", lambda: budget.held)

    def count_rejection(self, reason: str) -> None:
        """A request was answered with a problem."""
        self.rejections.labels(reason).inc()

    def count_images(self, task: str, images: int) -> None:
        """Images answered; nothing for a task that was retired in the meantime, whose series is gone."""
        if self._bank is not None and task in self._bank:
            self.images.labels(task).inc(images)

    def count_change(self, change: str, task: str) -> None:
        """A task was published, activated, retired or refreshed."""
        self.changes.labels(change).inc()
        if self._bank is not None and task not in self._bank:
            self.images.remove(task)

    def count_batch(self, report: BatchReport) -> None:
        """A batch was answered."""
        self.batches.labels("full" if report.full else "drained").inc()
        self.batch_rows.observe(report.rows)
        self.batch_images.observe(report.images)
        self.batch_tasks.observe(report.tasks)
        self.forward_seconds.observe(report.forward_seconds)
        for seconds in report.queue_seconds:
            self.queue_seconds.observe(seconds)

    def text(self) -> bytes:
        """The exposition format that Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"facet_{name}", documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"facet_{name}", documentation, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, documentation: str, read: Any) -> None:
        Gauge(f"facet_{name}", documentation, registry=self.registry).set_function(read)


class RequestMetrics:
    """Middleware that counts requests by the route's template, never by the path that a client made up."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.request_seconds.labels(route).observe(perf_counter() - begun)
