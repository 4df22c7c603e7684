"""The parts of a running server and how they hold together: from here on the routers only ask."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, cast

from fastapi import Depends, Request

from backbone import Backbone
from prompts_store import Store

from .bank import Bank
from .batcher import Batcher
from .catalog import Catalog
from .engine import Engine
from .images import Decoder
from .metrics import Metrics
from .settings import Settings

logger = logging.getLogger("facet.service")


@dataclass(frozen=True)
class Core:
    """What answers requests: one of each part."""

    settings: Settings
    backbone: Backbone
    engine: Engine
    decoder: Decoder
    batcher: Batcher
    catalog: Catalog
    metrics: Metrics
    clock: Callable[[], float]

    @classmethod
    def build(
        cls, settings: Settings, store: Store, backbone: Backbone, clock: Callable[[], float] = perf_counter
    ) -> "Core":
        """Wire the parts; nothing runs yet."""
        metrics, bank, engine = Metrics(), Bank(), Engine(backbone)
        batcher = Batcher(
            engine.run,
            max_batch=settings.max_batch,
            queue_limit=settings.queue_limit,
            latency_target=settings.latency_target_seconds,
            observe=metrics.count_batch,
            clock=clock,
        )
        decoder = Decoder(
            backbone.preprocess,
            threads=settings.decode_threads,
            max_pixels=settings.max_image_pixels,
            observe=metrics.decode_seconds.observe,
        )
        catalog = Catalog(store, bank, engine, batcher.call, backbone, metrics.count_change)
        metrics.watch(bank, batcher)
        return cls(settings, backbone, engine, decoder, batcher, catalog, metrics, clock)

    @property
    def ready(self) -> bool:
        """Whether requests are taken: the engine runs and no shutdown has begun."""
        return self.batcher.alive and not self.batcher.draining

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the engine, load the store's tasks, follow it; at the end finish what was admitted."""
        self.batcher.start()
        follower = asyncio.create_task(self._follow_store())
        try:
            await self.batcher.call(self.engine.warm_up)
            await self.catalog.refresh()
            yield
        finally:
            follower.cancel()
            await self.catalog.close()
            await self.batcher.drain()
            self.decoder.close()

    def drain(self) -> None:
        """Take no new requests and changes from now on; those admitted are finished."""
        self.batcher.draining = self.catalog.closed = True

    async def _follow_store(self) -> None:
        seconds = self.settings.store_poll_seconds
        while seconds:
            await asyncio.sleep(seconds)
            try:
                await self.catalog.refresh()
            except Exception as error:  # an outage of the store passes; following it must not end with it
                logger.warning("the store cannot be listed: %s", error)


async def get_core(request: Request) -> Core:
    """The core of the application that got the request."""
    return cast(Core, request.app.state.core)


CoreDependency = Annotated[Core, Depends(get_core)]
