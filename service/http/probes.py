"""Probes for orchestrators, and the metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from .deps import ComponentsDependency
from .schemas import Probe

router = APIRouter(tags=["operations"])


@router.get(
    "/livez",
    summary="Is the process sound?",
    response_model=Probe,
    responses={503: {"model": Probe}},
)
async def live(components: ComponentsDependency) -> JSONResponse:
    """503 once the engine's thread has died: then only a restart helps."""
    return _probe(
        components.batcher.alive or components.batcher.draining,
        "alive",
        "the engine's thread has died",
    )


@router.get(
    "/readyz",
    summary="Are requests taken?",
    response_model=Probe,
    responses={503: {"model": Probe}},
)
async def ready(components: ComponentsDependency) -> JSONResponse:
    """503 from the first moment of a shutdown. A single task's state does not matter here: see /v1/tasks."""
    return _probe(components.ready, "ready", "shutting down")


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(components: ComponentsDependency) -> Response:
    """Counters, gauges and histograms in the text format of Prometheus."""
    return Response(
        components.metrics.text(await components.predictor_server.counts()),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )


def _probe(good: bool, yes: str, no: str) -> JSONResponse:
    return JSONResponse({"status": yes if good else no}, 200 if good else 503)
