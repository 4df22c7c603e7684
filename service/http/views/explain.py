"""Where a task looks: the attention of the class token over an image."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from facet_vision.service.errors import BadRequest
from facet_vision.service.http.bodies import read_images
from facet_vision.service.http.calls import Call
from facet_vision.service.http.deps import ComponentsDependency, caller_of, needs
from facet_vision.service.http.openapi.bodies import limited
from facet_vision.service.http.parameters import PlainInteger, TaskName, known_parameters
from facet_vision.service.http.schemas import Problem
from facet_vision.service.telemetry.request_log import note

from .schemas import Explanation

router = APIRouter(
    tags=["predict"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)

_IMAGE = {"type": "string", "format": "binary", "minLength": 1}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": _IMAGE},
    "additionalProperties": False,
}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "One image, as the body or as the `file` part of a form.",
        "content": {
            "image/*": {"schema": _IMAGE},
            "application/octet-stream": {"schema": _IMAGE},
            "multipart/form-data": {"schema": _FORM},
        },
        **limited("max_image_bytes", "max_image_pixels", "max_request_bytes", max_images=1),
    }
}


@router.post(
    "/v1/tasks/{task}/explain",
    summary="Show where a task looks",
    openapi_extra=_BODY,
    dependencies=[Depends(needs("infer"))],
)
async def explain(
    task: TaskName,
    request: Request,
    components: ComponentsDependency,
    layer: Annotated[
        int, Query(description="From 0; negative ones count from the last."), PlainInteger
    ] = -1,
) -> Explanation:
    """Return the class token's attention to the patches of an image, with the task and without.

    It is computed beside the batches, one image at a time; of a task that is only a head both are
    the same. It needs a backbone with a class token.
    """
    call, explainer, caller = Call.of(request), components.explainer, caller_of(request).name
    explainer.check(task, layer, caller)
    images = await read_images(request, components.settings)
    if len(images) != 1:
        raise BadRequest(f"image: expected one, found {len(images)}")
    note(tasks=[task], images=1)
    found = await call.wait_for(explainer.explain(task, images[0], layer, caller))
    rows, columns = found.bare.shape
    return Explanation(
        task=found.task,
        version=found.version,
        rows=rows,
        columns=columns,
        box=list(found.box),
        adapted=found.adapted.tolist(),
        bare=found.bare.tolist(),
    )
