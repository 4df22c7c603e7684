"""The HTTP application.

A predict call passes `predict` (options and body), `RequestContext.predictor` (admission), its
`decoder` (pixels) and the predictor again (the batch); `responses` writes the answer.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version
from time import perf_counter

from fastapi import FastAPI

from facet_vision.backbone import Backbone, load
from facet_vision.prompts_store import Store, open_store
from facet_vision.service.components import Components
from facet_vision.service.settings import Settings, read_settings
from facet_vision.service.telemetry.traces import Tracing

from . import examples, predict, probes, problems, tasks
from .deps import infers
from .middleware.access import KnownCallers
from .middleware.audit import AuditedChanges
from .middleware.body_budget import BodyBudget, BoundedBodies
from .middleware.encodings import DecodedBodies
from .middleware.head import HeadAsGet
from .middleware.lingering import LingeringClose
from .middleware.origins import KnownOrigins, Origins
from .middleware.prefix import Prefix
from .middleware.request_ids import RequestIds
from .middleware.request_metrics import RequestMetrics
from .oip import routes as oip
from .openapi import page
from .openapi.document import complete_document
from .protocols import embeddings, huggingface, models
from .trainings import images as training_images
from .trainings import routes as trainings
from .views import console, events, explain, samples

ROUTERS = (
    *(part.router for part in (predict, tasks, examples, embeddings, models, huggingface)),
    *(part.router for part in (explain, samples, events, trainings, training_images)),
    probes.router,
    *(oip.health, oip.infer, oip.router, page.router, console.router),
)

DESCRIPTION = (
    "Many vision tasks on one frozen transformer. "
    "A task file that is uploaded answers the next request."
)


Beside = Callable[[Components], AbstractAsyncContextManager[object]]


def create_app(
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    backbone: Backbone | None = None,
    clock: Callable[[], float] = perf_counter,
    tracing: Tracing | None = None,
    beside: Beside | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        settings: read from the environment by default.
        store, backbone: by default those that the settings name.
        clock: seconds, monotonic.
        tracing: records spans; by default as the settings say.
        beside: another way into the components, open while the application runs.

    Raises:
        SettingsError, BackboneError, StoreError: a part cannot be had.
    """
    settings = settings or read_settings()
    store = store or open_store(settings.store)
    backbone = backbone or load_backbone(settings)
    components = Components.build(settings, store, backbone, clock, tracing)
    app = FastAPI(
        title="Facet",
        version=version("facet-vision"),
        description=DESCRIPTION,
        lifespan=_lifespan(beside),
        docs_url=None,
        redoc_url=None,
    )
    app.state.components = components
    app.state.context = components.context
    problems.install(app, components.metrics.count_rejection)
    for router in ROUTERS:
        app.include_router(router)
    routes = [route for router in ROUTERS for route in router.routes]
    budget = BodyBudget(settings.max_inflight_bytes)
    components.metrics.watch_bodies(lambda: budget.held)
    # The middleware added last sees a request first: a refusal by the budget is counted, and like
    # every early answer it lingers until the client has sent its body.
    app.add_middleware(BoundedBodies, budget=budget)
    counting = {"count_rejection": components.metrics.count_rejection}
    app.add_middleware(DecodedBodies, **counting)
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        KnownCallers, keys=components.keys, open_metrics=settings.open_metrics, **counting
    )
    app.add_middleware(KnownOrigins, origins=Origins(settings), **counting)
    app.add_middleware(AuditedChanges, routes=routes, infers=infers)
    app.add_middleware(RequestMetrics, metrics=components.metrics)
    app.add_middleware(LingeringClose)
    app.add_middleware(Prefix, root_path=settings.root_path)
    app.add_middleware(RequestIds, tracing=components.tracing)
    complete_document(app, routes, settings)
    return app


def load_backbone(settings: Settings) -> Backbone:
    """Load the backbone that the settings name.

    Raises:
        BackboneError: it cannot be had.
    """
    return load(
        settings.backbone,
        checkpoint=settings.checkpoint,
        pool=settings.pool,
        image_size=settings.image_size,
        device=settings.device,
        dtype=settings.dtype,
        execution=settings.execution,
    )


def _lifespan(beside: Beside | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        components: Components = app.state.components
        async with components.running(), beside(components) if beside else nullcontext():
            yield

    return lifespan
