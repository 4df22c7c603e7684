"""The HTTP application.

A request walks one way: a router here reads it, `images` decodes it, `batcher` finds it a place, `engine` answers it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from time import perf_counter

from fastapi import FastAPI

from backbone import Backbone, load
from prompts_store import Store, open_store

from . import predict, probes, problems, tasks
from .bodies import LingeringClose
from .body_budget import BodyBudget, BoundedBodies
from .core import Core
from .metrics import RequestMetrics
from .settings import Settings, read_settings

DESCRIPTION = "Many vision tasks on one frozen transformer. A task file that is uploaded answers the next request."


def create_app(
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    backbone: Backbone | None = None,
    clock: Callable[[], float] = perf_counter,
) -> FastAPI:
    """Build the application; what is not given is made as the settings say.

    Raises:
        SettingsError, BackboneError, StoreError: a part cannot be had.
    """
    settings = settings or read_settings()
    core = Core.build(settings, store or open_store(settings.store), backbone or load_backbone(settings), clock)
    app = FastAPI(title="Facet", version=version("facet"), description=DESCRIPTION, lifespan=_lifespan)
    app.state.core, app.state.front = core, core.front
    problems.install(app, core.metrics.count_rejection)
    for router in (predict.router, tasks.router, probes.router):
        app.include_router(router)
    budget = BodyBudget(settings.max_inflight_bytes)
    core.metrics.watch_bodies(budget)
    app.add_middleware(BoundedBodies, budget=budget)
    app.add_middleware(RequestMetrics, metrics=core.metrics)
    app.add_middleware(LingeringClose)
    return app


def load_backbone(settings: Settings) -> Backbone:
    """The backbone that the settings name.

    Raises:
        BackboneError: it cannot be had.
    """
    return load(
        settings.backbone,
        checkpoint=settings.checkpoint,
        device=settings.device,
        dtype=settings.dtype,
        execution=settings.execution,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with app.state.core.running():
        yield
