"""The components of a server and their wiring."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Self

import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store

from .access import Keyring
from .access.limits import Limits
from .engine.batch import BatchReport
from .engine.batch_size import batch_sizes
from .engine.batcher import Batcher
from .engine.engine import Engine
from .engine.threads import use_threads
from .engine.watchdog import watch_engine
from .oip.repository import Repository
from .oip.statistics import Statistics
from .predictor.context import RequestContext
from .predictor.decoder import Decoder
from .predictor.explainer import Explainer
from .predictor.local import LocalPredictor
from .predictor.socket_server import PredictorServer
from .residency.bank import Bank
from .residency.budgets import device_budget, host_budget
from .residency.examples import TaskExamples
from .residency.follower import StoreFollower
from .residency.listing import Listing
from .residency.loader import TaskLoader
from .residency.publisher import TaskPublisher
from .residency.registry import Registry
from .residency.resolver import TaskResolver
from .residency.samples import TaskSamples
from .settings import Settings
from .telemetry.gateway import Gateway
from .telemetry.loop_lag import watch_lag
from .telemetry.metrics import Metrics
from .telemetry.traces import Tracing
from .tracing import tracing_of

logger = logging.getLogger("facet.service")


@dataclass(frozen=True)
class Components:
    """One of each component of a server; routes reach them through `http.deps`."""

    settings: Settings
    keys: Keyring
    backbone: Backbone
    store: Store
    registry: Registry
    bank: Bank
    resolver: TaskResolver
    listing: Listing
    publisher: TaskPublisher
    examples: TaskExamples
    samples: TaskSamples
    engine: Engine
    batcher: Batcher
    context: RequestContext
    explainer: Explainer
    predictor_server: PredictorServer
    metrics: Metrics
    tracing: Tracing
    repository: Repository
    statistics: Statistics
    clock: Callable[[], float]

    @classmethod
    def build(
        cls,
        settings: Settings,
        store: Store,
        backbone: Backbone,
        clock: Callable[[], float] = perf_counter,
        tracing: Tracing | None = None,
    ) -> Self:
        """Wire the components; nothing runs yet.

        Raises:
            SettingsError: the keys cannot be read, or traces are to be exported and the libraries
                for it are missing.
        """
        tracing = tracing or tracing_of(settings)
        keys = Keyring.of(settings)
        metrics = Metrics()
        metrics.describe(backbone)
        engine = Engine(backbone)
        registry = Registry(clock)
        statistics = Statistics(lambda task: registry.get(task) is not None)
        observers = (metrics.count_batch, statistics.count_batch)
        batcher = _batcher(settings, engine, observers, clock)

        bank = _bank(settings, backbone, metrics, clock)
        loader = TaskLoader(store, engine, backbone, clock)
        resolver = TaskResolver(
            store, registry, loader, bank, metrics, limit=settings.queue_limit, clock=clock
        )
        follower = StoreFollower(store, registry, bank, resolver)
        listing = Listing(store, registry, bank, resolver, follower, backbone)
        publisher = TaskPublisher(
            store,
            registry,
            loader,
            bank,
            follower,
            engine.smoke_test,
            batcher.call,
            metrics.count_change,
        )
        metrics.watch(bank, registry, resolver.loads, batcher)

        limits = Limits()
        predictor = LocalPredictor(
            resolver,
            listing,
            batcher,
            backbone=backbone.name,
            limit=settings.queue_limit,
            count=metrics.count_images,
            keys=keys,
            limits=limits,
        )
        predictor_server = PredictorServer(predictor, backbone.preprocess, clock, tracing)
        metrics.watch_http_workers(lambda: len(predictor_server), settings.http_workers)
        decoder = Decoder.of(settings, backbone.preprocess, metrics.count_decode)
        if settings.gateway_metrics:
            metrics.show_gateway(Gateway(bank, resolver, batcher, settings.queue_limit))
        components = cls(
            settings=settings,
            keys=keys,
            backbone=backbone,
            store=store,
            registry=registry,
            bank=bank,
            resolver=resolver,
            listing=listing,
            publisher=publisher,
            examples=TaskExamples(store, bank, publisher, backbone),
            samples=TaskSamples(store, bank, listing),
            engine=engine,
            batcher=batcher,
            context=RequestContext(settings, decoder, predictor, clock),
            explainer=Explainer(backbone, resolver, decoder, keys, limits, clock),
            predictor_server=predictor_server,
            metrics=metrics,
            tracing=tracing,
            repository=Repository(listing, publisher),
            statistics=statistics,
            clock=clock,
        )
        metrics.watch_readiness(lambda: components.obstacle is None, settings.queue_limit)
        return components

    @property
    def sound(self) -> bool:
        """Whether the engine's threads live; once they have died, only a restart helps."""
        return self.batcher.alive or self.batcher.draining

    @property
    def obstacle(self) -> str | None:
        """Why requests are not taken; None if the engine runs and no shutdown has begun."""
        if self.batcher.draining:
            return "shutting down"
        if not self.batcher.alive:
            return "the engine's thread has died"
        if (seconds := self.batcher.running_seconds()) > self.settings.engine_hang_seconds / 4:
            return f"a forward has run for {seconds:.0f} seconds"
        return None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the engine, list the store and follow it; at the end finish admitted requests."""
        self.batcher.start()
        background = [
            asyncio.create_task(self._follow_store()),
            asyncio.create_task(watch_lag(self.metrics.loop_lag.observe)),
        ]
        try:
            if self.settings.engine_threads:
                torch.set_num_threads(1)  # the default of every thread that begins from here on
            sizes = batch_sizes(self.settings.max_batch)
            await self.batcher.call(partial(self.engine.warm_up, sizes))
            await self.publisher.refresh()
            yield
        finally:
            for task in background:
                task.cancel()
            await self.publisher.close()
            await self.batcher.drain()
            self.explainer.close()
            self.context.decoder.close()
            self.resolver.loads.close()
            self.listing.reads.close()
            await asyncio.to_thread(self.tracing.close)

    def end_when_hung(self) -> None:
        """End the process once the engine hangs; for a process that does nothing but serve."""
        watch_engine(self.batcher, self.settings.engine_hang_seconds)

    def drain(self) -> None:
        """Refuse new requests and changes from now on; admitted ones are finished."""
        self.batcher.draining = True
        self.publisher.closed = True
        self.explainer.closed = True

    async def _follow_store(self) -> None:
        seconds = self.settings.store_poll_seconds
        while seconds:
            await asyncio.sleep(seconds)
            try:
                await self.publisher.refresh()
            except Exception as error:  # an outage of the store passes; the next poll tries again
                self.metrics.poll_failures.inc()
                logger.warning("the store cannot be listed: %s", error)


def _batcher(
    settings: Settings,
    engine: Engine,
    observers: Sequence[Callable[[BatchReport], None]],
    clock: Callable[[], float],
) -> Batcher:
    def observe(report: BatchReport) -> None:
        for each in observers:
            each(report)

    return Batcher(
        engine.run,
        max_batch=settings.max_batch,
        queue_limit=settings.queue_limit,
        latency_target=settings.latency_target_seconds,
        workers=settings.engine_workers or 1,
        prepare=partial(use_threads, settings.engine_threads),
        observe=observe,
        clock=clock,
    )


def _bank(
    settings: Settings, backbone: Backbone, metrics: Metrics, clock: Callable[[], float]
) -> Bank:
    device = settings.device_budget
    host = settings.host_budget
    return Bank(
        device_budget(backbone.device) if device is None else device,
        host_budget() if host is None else host,
        observe=metrics.count_eviction,
        clock=clock,
    )
