"""Probes for orchestrators, and the metrics."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from .deps import ComponentsDependency, needs
from .schemas import Probe, Problem

router = APIRouter(
    tags=["operations"], responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}}
)


@router.get(
    "/livez",
    summary="Is the process sound?",
    response_model=Probe,
    responses={503: {"model": Probe}},
)
async def live(components: ComponentsDependency) -> JSONResponse:
    """Answer 503 once the engine's thread has died: then only a restart helps."""
    return _probe("alive", None if components.sound else "the engine's thread has died")


@router.get(
    "/readyz",
    summary="Are requests taken?",
    response_model=Probe,
    responses={503: {"model": Probe}},
)
async def ready(components: ComponentsDependency) -> JSONResponse:
    """Answer 503 from the first moment of a shutdown, and while the engine hangs.

    A single task's state does not matter here: see /v1/tasks.
    """
    return _probe("ready", components.obstacle)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    dependencies=[Depends(needs("admin", everything=True))],
)
async def metrics(request: Request, components: ComponentsDependency) -> Response:
    """Show counters, gauges and histograms in the text format of Prometheus.

    A scraper that accepts OpenMetrics gets that, with exemplars that lead to traces.
    """
    counted_by_workers = await components.predictor_server.counts()
    accept = ",".join(request.headers.getlist("accept"))
    text, media_type = components.metrics.text(counted_by_workers, accept)
    return Response(text, headers={"Content-Type": media_type, "Vary": "Accept"})


def _probe(good: str, obstacle: str | None) -> JSONResponse:
    return JSONResponse({"status": obstacle or good}, 503 if obstacle else 200)
