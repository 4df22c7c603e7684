"""Probes for orchestrators, and the metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from .core import CoreDependency
from .schemas import Probe

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Is the process sound?", response_model=Probe, responses={503: {"model": Probe}})
async def live(core: CoreDependency) -> JSONResponse:
    """503 once the engine's thread has died: then only a restart helps."""
    return _probe(core.batcher.alive or core.batcher.draining, "alive", "the engine's thread has died")


@router.get("/readyz", summary="Are requests taken?", response_model=Probe, responses={503: {"model": Probe}})
async def ready(core: CoreDependency) -> JSONResponse:
    """503 from the first moment of a shutdown. A single task's state does not matter here: see /v1/tasks."""
    return _probe(core.ready, "ready", "shutting down")


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(core: CoreDependency) -> Response:
    """Counters, gauges and histograms in the text format of Prometheus."""
    return Response(core.metrics.text(await core.doors.counts()), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _probe(good: bool, yes: str, no: str) -> JSONResponse:
    return JSONResponse({"status": yes if good else no}, 200 if good else 503)
