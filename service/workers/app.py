"""The application of a HTTP worker: predict calls are answered here, everything else by the engine's process."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from facet_vision.service.http import predict, problems
from facet_vision.service.http.bodies import LingeringClose
from facet_vision.service.http.body_budget import BodyBudget, BoundedBodies
from facet_vision.service.http.request_metrics import RequestMetrics
from facet_vision.service.http.server.shedding import Shedding
from facet_vision.service.predictor.context import RequestContext
from facet_vision.service.predictor.decoder import Decoder
from facet_vision.service.predictor.remote import RemotePredictor
from facet_vision.service.settings import Settings
from facet_vision.service.telemetry.loop_lag import watch_lag
from facet_vision.service.telemetry.metrics import Metrics
from facet_vision.service.telemetry.multiprocess import samples

from .proxy import Proxy

ENGINE, HTTP = "engine.sock", "http.sock"
"""Names of the Unix sockets at which the engine's process takes questions and all other calls."""


_PREDICT = re.compile(r"/v1/(tasks/[^/]*/)?predict")


def create_http_worker(
    settings: Settings,
    folder: Path,
    lost: Callable[[], None],
    clock: Callable[[], float] = perf_counter,
) -> tuple[ASGIApp, Shedding]:
    """Build the application of one HTTP worker.

    Args:
        settings: its share of the limits.
        folder: where the sockets of the engine's process are.
        lost: told when the engine's process has ended.
        clock: seconds, monotonic.

    Returns:
        It, and what refuses calls before they reach it.
    """
    metrics, budget = Metrics(), BodyBudget(settings.max_inflight_bytes)
    proxy = Proxy(folder / HTTP, settings, metrics.count_rejection)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        predictor = RemotePredictor(
            clock=clock, counts=lambda: samples(metrics.registry), lost=lost
        )
        decoder = Decoder.of(
            settings, await predictor.connect(folder / ENGINE), metrics.decode_seconds.observe
        )
        app.state.context = RequestContext(settings, decoder, predictor, clock)
        watching = asyncio.create_task(watch_lag(metrics.loop_lag.observe))
        yield
        watching.cancel()
        predictor.close()
        decoder.close()
        await proxy.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    problems.install(app, metrics.count_rejection)
    app.include_router(predict.router)
    metrics.watch_bodies(budget)
    app.add_middleware(BoundedBodies, budget=budget)
    app.add_middleware(RequestMetrics, metrics=metrics)
    return LingeringClose(_Fork(app, proxy)), Shedding(
        lambda task: app.state.context.predictor.refusal(task), metrics
    )


class _Fork:
    """Sends a call the one way or the other."""

    def __init__(self, predicting: ASGIApp, others: ASGIApp) -> None:
        self._predicting, self._others = predicting, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = scope["type"] != "http" or _PREDICT.fullmatch(scope["path"])
        await (self._predicting if here else self._others)(scope, receive, send)
