"""The application of an HTTP worker.

It answers predict calls; all other calls are passed on to the engine's process.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from facet_vision.service.access import Keyring
from facet_vision.service.errors import Overloaded
from facet_vision.service.http import predict, problems
from facet_vision.service.http.deps import infers
from facet_vision.service.http.middleware.access import KnownCallers
from facet_vision.service.http.middleware.audit import AuditedChanges
from facet_vision.service.http.middleware.body_budget import BodyBudget, BoundedBodies
from facet_vision.service.http.middleware.encodings import DecodedBodies
from facet_vision.service.http.middleware.lingering import LingeringClose
from facet_vision.service.http.middleware.origins import KnownOrigins, Origins
from facet_vision.service.http.middleware.prefix import Prefix
from facet_vision.service.http.middleware.request_ids import RequestIds
from facet_vision.service.http.middleware.request_metrics import RequestMetrics
from facet_vision.service.http.oip import routes as oip
from facet_vision.service.http.protocols import embeddings, huggingface
from facet_vision.service.http.server.shedding import Shedding
from facet_vision.service.predictor.context import RequestContext
from facet_vision.service.predictor.decoder import Decoder
from facet_vision.service.predictor.pace import Pace
from facet_vision.service.predictor.remote import RemotePredictor
from facet_vision.service.settings import Settings
from facet_vision.service.telemetry.loop_lag import watch_lag
from facet_vision.service.telemetry.metrics import Metrics
from facet_vision.service.telemetry.multiprocess import Counted
from facet_vision.service.telemetry.request_log import note
from facet_vision.service.tracing import tracing_of

from .proxy import Proxy

PREDICT_SOCKET = "engine.sock"
"""Name of the Unix socket at which the engine's process takes predict requests."""

HTTP_SOCKET = "http.sock"
"""Name of the Unix socket at which the engine's process takes all other calls."""

_PREDICT = re.compile(
    r"/v1/(tasks/[^/]*/)?predict|/v1/embeddings|/hf/[^/]*|/v2/models/[^/]*/(versions/[^/]*/)?infer"
)
"""Paths of the predictor's calls, in every form."""


def create_http_worker(
    settings: Settings,
    folder: Path,
    lost: Callable[[], None],
    clock: Callable[[], float] = perf_counter,
) -> tuple[ASGIApp, Shedding, Callable[[], None]]:
    """Build the application of one HTTP worker.

    Args:
        settings: the limits, divided among the HTTP workers.
        folder: where the sockets of the engine's process are.
        lost: is called when the engine's process has ended.
        clock: seconds, monotonic.

    Returns:
        The application, the early refusal for its server, and what ends the answers that have no
        end of their own.
    """
    keys = Keyring.of(settings)
    metrics = Metrics()
    tracing = tracing_of(settings)
    budget = BodyBudget(settings.max_inflight_bytes)
    proxy = Proxy(folder / HTTP_SOCKET, settings, metrics.count_rejection)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        predictor = RemotePredictor(
            clock=clock,
            pace=Pace(settings.queue_limit, settings.http_workers, clock),
            counts=lambda: Counted.of(metrics.registry),
            lost=lost,
        )
        # The engine's process has the backbone, so it says how images become pixels.
        preprocess = await predictor.connect(folder / PREDICT_SOCKET)
        decoder = Decoder.of(settings, preprocess, metrics.count_decode)
        app.state.context = RequestContext(settings, decoder, predictor, clock)
        watching = asyncio.create_task(watch_lag(metrics.loop_lag.observe))
        yield
        watching.cancel()
        predictor.close()
        decoder.close()
        await proxy.close()
        await asyncio.to_thread(tracing.close)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    problems.install(app, metrics.count_rejection)
    routers = [*(part.router for part in (predict, embeddings, huggingface)), oip.infer]
    for router in routers:
        app.include_router(router)
    metrics.watch_bodies(lambda: budget.held)
    app.add_middleware(BoundedBodies, budget=budget)
    app.add_middleware(DecodedBodies, count_rejection=metrics.count_rejection)
    app.add_middleware(RequestMetrics, metrics=metrics)

    def refusal(task: str) -> Overloaded | None:
        context: RequestContext = app.state.context
        return context.predictor.refusal(task)

    dispatch = _Dispatch(app, proxy, settings.root_path)
    known = KnownCallers(
        dispatch, keys, metrics.count_rejection, open_metrics=settings.open_metrics
    )
    served = KnownOrigins(known, Origins(settings), metrics.count_rejection)
    routes = [route for router in routers for route in router.routes]
    audited = AuditedChanges(served, routes, infers, passes_on=True)
    prefixed = Prefix(LingeringClose(audited), settings.root_path)
    shedding = Shedding(refusal, metrics, keys, tracing)
    return RequestIds(prefixed, tracing), shedding, proxy.drain


class _Dispatch:
    """Sends predict calls to one application and all other calls to another."""

    def __init__(self, predicting: ASGIApp, other: ASGIApp, root_path: str) -> None:
        self._predicting = predicting
        self._other = other
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Events of the lifespan go to the predicting application, which connects to the engine.
        here = scope["type"] != "http" or _PREDICT.fullmatch(
            scope["path"].removeprefix(self._root_path)
        )
        note(passed_on=not here)
        await (self._predicting if here else self._other)(scope, receive, send)
