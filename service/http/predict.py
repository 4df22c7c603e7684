"""Predict calls: images in, ranked labels out.

`_Call` owns what belongs to one call: its options, its deadline and when it arrived.
"""

import asyncio
import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Self, TypeVar

from fastapi import APIRouter, Request, Response

from facet_vision.service.errors import BadRequest, BodyTooLarge, ClientGone, DeadlineExceeded
from facet_vision.service.predictor.context import RequestContext
from facet_vision.service.predictor.decoder import DecodedImage, ImageBytes
from facet_vision.service.predictor.protocol import Prediction, PredictRequest
from facet_vision.service.telemetry.request_log import note
from facet_vision.service.telemetry.traces import current_span

from .bodies import announced_bytes, read_form, read_images
from .deps import caller_of, context_of, guarded, needs
from .options import PredictOptions, documented_parameters, read_options
from .parameters import TASK_NAME, TaskName
from .responses import respond
from .schemas import PredictResponse, Problem

T = TypeVar("T")

MAX_NAMINGS = 4
"""How often a task may be named in a form, on average; it is asked once."""

router = APIRouter(
    tags=["predict"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
)

_IMAGE = {"type": "string", "format": "binary", "minLength": 1}
_FILES = {"type": "array", "items": _IMAGE, "minItems": 1}
_BINARY = {"schema": _IMAGE}
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
    call = _Call.of(request)
    # Before the images are read: an unknown task and a full queue are refused without their bytes.
    await call.check([task])
    images = await read_images(request, call.context.settings)
    return await call.answer([task], images)


@router.post(
    "/v1/predict",
    summary="Ask several tasks at once",
    response_model=PredictResponse,
    openapi_extra=_MANY_TASKS,
)
@guarded(needs("infer"))
async def predict_many_tasks(request: Request) -> Response:
    """Classify every image by every named task, in one mixed batch; an image is decoded once."""
    call = _Call.of(request)
    await call.check([])
    images, fields = await read_form(request, call.context.settings, fields=("tasks",))
    names = _named(fields["tasks"], call.context.settings.queue_limit)
    return await call.answer(names, images)


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


@dataclass(frozen=True)
class _Call:
    """One predict call.

    Attributes:
        request: the HTTP request.
        context: what the process offers to answer it.
        options: as the query gives them.
        arrived, deadline: seconds of the context's clock.
    """

    request: Request
    context: RequestContext
    options: PredictOptions
    arrived: float
    deadline: float

    @classmethod
    def of(cls, request: Request) -> Self:
        context = context_of(request)
        arrived = context.clock()
        options = read_options(request)
        wanted = math.inf if options.timeout_ms is None else options.timeout_ms / 1000
        deadline = arrived + min(wanted, context.settings.deadline_seconds)
        return cls(request, context, options, arrived, deadline)

    async def check(self, tasks: Sequence[str]) -> None:
        """Raise now what admission would raise for one image, as far as that is known."""
        note(tasks=tasks)
        announced = announced_bytes(self.request.headers)
        await self.context.predictor.check(self._predict_request(tasks, 1), announced)

    async def answer(self, tasks: Sequence[str] | None, images: Sequence[ImageBytes]) -> Response:
        """Answer the images, unless the client leaves or the deadline passes first."""
        left = self.deadline - self.context.clock()
        decoded, predictions = await _while_connected(self.request, self._run(tasks, images), left)
        return await respond(decoded, predictions, self.context.clock() - self.arrived)

    async def _run(
        self, tasks: Sequence[str] | None, images: Sequence[ImageBytes]
    ) -> tuple[list[DecodedImage], list[Prediction]]:
        # Admission precedes decoding: a refused request costs no decoding, and the version that
        # answers is the one that is live now, not the one that is live once it is decoded.
        wanted = self._predict_request(tasks, len(images))
        note(tasks=tasks or (), images=len(images))
        async with self.context.predictor.admit(wanted) as admission:
            begun = perf_counter()
            decoded = await self.context.decoder.decode(images)
            current_span.get().stage("decode", begun, perf_counter(), images=len(images))
            return decoded, await admission.answer([image.pixels for image in decoded])

    def _predict_request(self, tasks: Sequence[str] | None, images: int) -> PredictRequest:
        return PredictRequest(
            tasks,
            images,
            self.deadline,
            self.options.top_k,
            self.options.priority,
            caller=caller_of(self.request).name,
        )


async def _while_connected(request: Request, work: Awaitable[T], seconds: float) -> T:
    """Wait for the work, and give it up when the client disconnects or the time has passed.

    Raises:
        ClientGone: the client has closed the connection.
        DeadlineExceeded: the work took longer than `seconds`.
    """
    watching = None
    try:
        # Both ends cancel the work in the same way: a client that leaves moves the limit to now.
        async with asyncio.timeout(max(0.0, seconds)) as limit:
            watching = asyncio.ensure_future(_end_when_gone(request, limit))
            return await work
    except TimeoutError:
        if not limit.expired():  # a TimeoutError of the work itself
            raise
        if watching and watching.done():
            raise ClientGone(
                "client: expected it to wait for the answer, found the connection closed"
            ) from None
        raise DeadlineExceeded from None
    finally:
        if watching:
            watching.cancel()


async def _end_when_gone(request: Request, limit: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    limit.reschedule(0)
