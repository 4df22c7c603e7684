"""The sample images of a task."""

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from facet_vision.prompts_store.samples.facts import MAX_SAMPLES
from facet_vision.service.http.deps import ComponentsDependency, needs
from facet_vision.service.http.parameters import PlainDigits, TaskName, known_parameters
from facet_vision.service.http.schemas import Problem

from .caching import is_current
from .schemas import Sample, SampleList

router = APIRouter(
    tags=["tasks"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)

HEADERS = {
    # The bytes are of whoever has uploaded the task: a browser may show them as an image, and
    # never as a page.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

_IMAGE = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/v1/tasks/{task}/samples",
    summary="List the samples of a task",
    dependencies=[Depends(needs("infer"))],
)
async def list_samples(task: TaskName, components: ComponentsDependency) -> SampleList:
    """List the images that the live version's file carries; a file need not have any."""
    _, facts = await components.samples.facts(task)
    return SampleList(samples=[Sample(**each.model_dump()) for each in facts])


@router.get(
    "/v1/tasks/{task}/samples/{sample}",
    summary="Show a sample of a task",
    dependencies=[Depends(needs("infer"))],
    response_class=Response,
    responses={
        200: {
            "description": "The image.",
            "content": {"image/png": _IMAGE, "image/jpeg": _IMAGE, "image/webp": _IMAGE},
        },
        304: {"description": "Unchanged, by `If-None-Match`."},
    },
)
async def show_sample(
    task: TaskName,
    sample: Annotated[
        int,
        Path(ge=0, lt=MAX_SAMPLES, description="Its place in the list, from 0."),
        PlainDigits,
    ],
    request: Request,
    components: ComponentsDependency,
) -> Response:
    """Return the image as the file carries it."""
    facts, image = await components.samples.image(task, sample)
    etag = f'"{sha256(image).hexdigest()[:32]}"'
    name = f"{task}-{sample}.{facts.media_type.removeprefix('image/')}"
    headers = HEADERS | {"ETag": etag, "Content-Disposition": f'inline; filename="{name}"'}
    if is_current(etag, request):
        return Response(status_code=304, headers=headers)
    return Response(image, media_type=facts.media_type, headers=headers)
