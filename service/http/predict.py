"""Predict calls: images in, ranked labels out."""

import asyncio
import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from fastapi import APIRouter, Request, Response

from facet_vision.service.errors import BadRequest, ClientGone, DeadlineExceeded
from facet_vision.service.predictor.context import RequestContext
from facet_vision.service.predictor.decoder import DecodedImage, ImageBytes
from facet_vision.service.predictor.protocol import Prediction, PredictRequest

from .bodies import announced, read_form, read_images
from .deps import context_of
from .options import PredictOptions, documented_parameters, read_options
from .responses import respond
from .schemas import PredictResponse, Problem

T = TypeVar("T")

router = APIRouter(
    tags=["predict"], responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}}
)

_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ONE_TASK = {
    "parameters": documented_parameters(),
    "requestBody": {
        "required": True,
        "description": "One image as the body, or any number as `file` parts of a form.",
        "content": {
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": _FILES}, "required": ["file"]}
            },
        },
    },
}
_MANY_TASKS_FORM = {
    "type": "object",
    "required": ["file", "tasks"],
    "properties": {
        "file": _FILES,
        "tasks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Task names, as repeated fields or separated by commas; * for all that are live.",
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
async def predict_one_task(task: str, request: Request) -> Response:
    """Classify one or several images by one task's live version."""
    call = _Call.of(request)
    await call.check(
        [task]
    )  # an unknown task is refused before its images are read, and so is one image too many
    return await call.answer([task], await read_images(request, call.context.settings))


@router.post(
    "/v1/predict",
    summary="Ask several tasks at once",
    response_model=PredictResponse,
    openapi_extra=_MANY_TASKS,
)
async def predict_many_tasks(request: Request) -> Response:
    """Classify every image by every named task, in one mixed batch; an image is decoded once."""
    call = _Call.of(request)
    await call.check([])
    images, fields = await read_form(request, call.context.settings, fields=("tasks",))
    return await call.answer(_named(fields["tasks"]), images)


def _named(values: Sequence[str]) -> list[str] | None:
    """The tasks that a form names; None where it asks for every one."""
    names = dict.fromkeys(
        name.strip() for value in values for name in value.split(",") if name.strip()
    )
    if not names:
        raise BadRequest("form: expected a part 'tasks' with task names or *, found none")
    return None if "*" in names else list(names)


@dataclass(frozen=True)
class _Call:
    """One predict call under way."""

    request: Request
    context: RequestContext
    options: PredictOptions
    arrived: float
    deadline: float

    @classmethod
    def of(cls, request: Request) -> Self:
        context = context_of(request)
        arrived, options = context.clock(), read_options(request)
        wanted = math.inf if options.timeout_ms is None else options.timeout_ms / 1000
        return cls(
            request,
            context,
            options,
            arrived,
            arrived + min(wanted, context.settings.deadline_seconds),
        )

    async def check(self, tasks: Sequence[str]) -> None:
        await self.context.predictor.check(
            self._question(tasks, 1), announced(self.request.headers)
        )

    async def answer(self, tasks: Sequence[str] | None, images: Sequence[ImageBytes]) -> Response:
        left = self.deadline - self.context.clock()
        decoded, predictions = await _while_connected(self.request, self._run(tasks, images), left)
        return respond(decoded, predictions, self.context.clock() - self.arrived)

    async def _run(
        self, tasks: Sequence[str] | None, images: Sequence[ImageBytes]
    ) -> tuple[list[DecodedImage], list[Prediction]]:
        """Binding and admission, decoding, batching: the way of a request through the server."""
        async with self.context.predictor.admit(self._question(tasks, len(images))) as admission:
            decoded = await self.context.decoder.decode(images)
            return decoded, await admission.answer([image.pixels for image in decoded])

    def _question(self, tasks: Sequence[str] | None, images: int) -> PredictRequest:
        return PredictRequest(
            tasks, images, self.deadline, self.options.top_k, self.options.priority
        )


async def _while_connected(request: Request, work: Awaitable[T], seconds: float) -> T:
    """Give the work up when its client goes away or its time has passed: then nobody needs the answer."""
    watching = None
    try:
        async with asyncio.timeout(max(0.0, seconds)) as limit:
            watching = asyncio.ensure_future(_end_when_gone(request, limit))
            return await work
    except TimeoutError:
        if not limit.expired():  # one of the work's own
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
