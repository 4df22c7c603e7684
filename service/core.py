"""The parts of a running server and how they hold together: from here on the routers only ask."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Annotated, cast

import torch
from fastapi import Depends, Request

from backbone import Backbone
from prompts_store import Store

from .bank import Bank
from .batcher import Batcher
from .budgets import device_budget, host_budget
from .catalog import Catalog
from .changes import Changes
from .engine import Engine
from .front import Front
from .frontend.door import Doors
from .holdings import Holdings
from .images import Decoder
from .listing import Listing
from .metrics import Metrics
from .opening import Opener
from .pacing import sizes
from .predictor import EnginePredictor
from .pulse import watch_lag
from .registry import Registry
from .settings import Settings

logger = logging.getLogger("facet.service")


@dataclass(frozen=True)
class Core:
    """What answers requests: one of each part."""

    settings: Settings
    backbone: Backbone
    engine: Engine
    front: Front
    batcher: Batcher
    holdings: Holdings
    catalog: Catalog
    listing: Listing
    changes: Changes
    doors: Doors
    metrics: Metrics
    clock: Callable[[], float]

    @classmethod
    def build(
        cls, settings: Settings, store: Store, backbone: Backbone, clock: Callable[[], float] = perf_counter
    ) -> "Core":
        """Wire the parts; nothing runs yet."""
        metrics, engine = Metrics(), Engine(backbone)
        batcher = _batcher(settings, engine, metrics, clock)
        opener = Opener(store, engine, backbone, clock)
        holdings = Holdings(store, Registry(clock), opener, _bank(settings, backbone, metrics, clock))
        catalog = Catalog(holdings, metrics, limit=settings.queue_limit, clock=clock)
        metrics.describe(backbone)
        metrics.watch(holdings.bank, holdings.registry, catalog.loads, batcher)
        listing, limit = Listing(holdings, catalog, backbone), settings.queue_limit
        predictor = EnginePredictor(catalog, listing, batcher, limit=limit, count=metrics.count_images)
        doors = Doors(predictor, backbone.preprocess, clock)
        metrics.watch_front_ends(lambda: len(doors))
        decoder = Decoder.of(settings, backbone.preprocess, metrics.decode_seconds.observe)
        return cls(
            settings=settings,
            backbone=backbone,
            engine=engine,
            front=Front(settings, decoder, predictor, clock),
            batcher=batcher,
            holdings=holdings,
            catalog=catalog,
            listing=listing,
            changes=Changes(holdings, catalog, engine.prove, batcher.call, metrics.count_change),
            doors=doors,
            metrics=metrics,
            clock=clock,
        )

    @property
    def ready(self) -> bool:
        """Whether requests are taken: the engine runs and no shutdown has begun."""
        return self.batcher.alive and not self.batcher.draining

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the engine, list the store, follow it; at the end finish what was admitted."""
        self.batcher.start()
        watching = watch_lag(self.metrics.loop_lag.observe)
        beside = [asyncio.create_task(work) for work in (self._follow_store(), watching)]
        try:
            if self.settings.engine_threads:
                torch.set_num_threads(1)  # for any thread that begins from here on
            await self.batcher.call(partial(self.engine.warm_up, sizes(self.settings.max_batch)))
            await self.changes.refresh()
            yield
        finally:
            for task in beside:
                task.cancel()
            await self.changes.close()
            await self.batcher.drain()
            for pool in (self.front.decoder, self.catalog.loads, self.listing.looks):
                pool.close()

    def drain(self) -> None:
        """Take no new requests and changes from now on; those admitted are finished."""
        self.batcher.draining = self.changes.closed = True

    async def _follow_store(self) -> None:
        seconds = self.settings.store_poll_seconds
        while seconds:
            await asyncio.sleep(seconds)
            try:
                await self.changes.refresh()
            except Exception as error:  # an outage of the store passes; following it must not end with it
                logger.warning("the store cannot be listed: %s", error)


def _batcher(settings: Settings, engine: Engine, metrics: Metrics, clock: Callable[[], float]) -> Batcher:
    return Batcher(
        engine.run,
        max_batch=settings.max_batch,
        queue_limit=settings.queue_limit,
        latency_target=settings.latency_target_seconds,
        workers=settings.engine_workers or 1,
        prepare=partial(_give_cores, settings.engine_threads),
        observe=metrics.count_batch,
        clock=clock,
    )


def _give_cores(threads: int | None) -> None:
    """Let the thread that calls this compute with so many threads.

    Each thread that computes in parallel has a pool of its own. While there are more pool threads than cores, all
    sleep between any two operations, and to wake them takes longer than a small operation itself. So only the engine's
    threads have pools.
    """
    if threads:
        torch.get_num_threads()  # a thread takes over the common number when it first looks
        torch.set_num_threads(threads)


def _bank(settings: Settings, backbone: Backbone, metrics: Metrics, clock: Callable[[], float]) -> Bank:
    device, host = settings.device_budget, settings.host_budget
    return Bank(
        device_budget(backbone.device) if device is None else device,
        host_budget() if host is None else host,
        observe=metrics.count_eviction,
        clock=clock,
    )


def core_of(request: Request) -> Core:
    """The core of the application that got the request."""
    return cast(Core, request.app.state.core)


async def _core(request: Request) -> Core:  # FastAPI would run a plain function in a thread
    return core_of(request)


CoreDependency = Annotated[Core, Depends(_core)]
