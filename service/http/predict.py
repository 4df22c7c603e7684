"""Predict calls: images in, ranked labels out."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from facet_vision.service.errors import BadRequest, BodyTooLarge
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.predictor.protocol import PredictRequest

from .bodies import read_form, read_images
from .calls import Call
from .deps import guarded, needs
from .openapi.bodies import limited
from .options import PredictOptions, documented_parameters, read_options
from .parameters import TASK_NAME, TaskName
from .responses import respond
from .schemas import PredictResponse, Problem

MAX_NAMINGS = 4
"""How often a task may be named in a form, on average; it is asked once."""

router = APIRouter(
    tags=["predict"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
)

_IMAGE = {"type": "string", "format": "binary", "minLength": 1}
_FILES = {"type": "array", "items": _IMAGE, "minItems": 1}
_BINARY = {"schema": _IMAGE}
_LIMITS = limited("max_images", "max_image_bytes", "max_image_pixels", "max_request_bytes")
_ONE_TASK_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": _FILES},
    "additionalProperties": False,
}
_ONE_TASK = {
    "parameters": documented_parameters(),
    "requestBody": {
        "required": True,
        "description": "One image (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC) as the body, "
        "or any number as `file` parts of a form.",
        "content": {
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {"schema": _ONE_TASK_FORM},
        },
        **_LIMITS,
    },
}
_NAMES = rf"^({TASK_NAME}|\*)( ?, ?({TASK_NAME}|\*))*$"
_MANY_TASKS_FORM = {
    "type": "object",
    "required": ["file", "tasks"],
    "additionalProperties": False,
    "properties": {
        "file": _FILES,
        "tasks": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": _NAMES},
            "description": "Task names, as repeated fields or separated by commas; "
            "* for all that are live.",
            "example": ["digits", "counting"],
        },
    },
}
_MANY_TASKS = {
    "parameters": documented_parameters(),
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": _MANY_TASKS_FORM}},
        **_LIMITS,
    },
}


@router.post(
    "/v1/tasks/{task}/predict",
    summary="Ask one task",
    response_model=PredictResponse,
    openapi_extra=_ONE_TASK,
)
@guarded(needs("infer"))
async def predict_one_task(task: TaskName, request: Request) -> Response:
    """Classify one or several images by one task's live version."""
    options, call = _begin(request)
    await call.check(_asking(call, [task], 1, options))
    images = await read_images(request, call.context.settings)
    return await _answer(call, _asking(call, [task], len(images), options), images)


@router.post(
    "/v1/predict",
    summary="Ask several tasks at once",
    response_model=PredictResponse,
    openapi_extra=_MANY_TASKS,
)
@guarded(needs("infer"))
async def predict_many_tasks(request: Request) -> Response:
    """Classify every image by every named task, in one mixed batch; an image is decoded once."""
    options, call = _begin(request)
    await call.check(_asking(call, [], 1, options))
    images, fields = await read_form(request, call.context.settings, fields=("tasks",))
    names = _named(fields["tasks"], call.context.settings.queue_limit)
    return await _answer(call, _asking(call, names, len(images), options), images)


def _begin(request: Request) -> tuple[PredictOptions, Call]:
    options = read_options(request)
    return options, Call.of(request, options.timeout_ms)


def _asking(
    call: Call, tasks: Sequence[str] | None, images: int, options: PredictOptions
) -> PredictRequest:
    return call.asking(
        tasks, images, top_k=options.top_k, priority=options.priority, abstain=options.abstain
    )


async def _answer(call: Call, wanted: PredictRequest, images: Sequence[ImageBytes]) -> Response:
    decoded, predictions = await call.answer(wanted, images)
    return await respond(decoded, predictions, call.context.clock() - call.arrived)


def _named(values: Sequence[str], limit: int) -> list[str] | None:
    """Return the tasks that a form names, each once; None where it asks for every live task.

    Raises:
        BadRequest: there is none.
        BodyTooLarge: there are far more than a request may have rows.
    """
    # Counting is quick; the names are made only once it is known that they are not millions.
    if (found := len(values) + sum(value.count(",") for value in values)) > MAX_NAMINGS * limit:
        raise BodyTooLarge(f"form: expected at most {limit} names in 'tasks', found {found}")
    named = [name.strip() for value in values for name in value.split(",")]
    names = [name for name in dict.fromkeys(named) if name]
    if not names:
        raise BadRequest("form: expected a part 'tasks' with task names or *, found none")
    return None if "*" in names else names
