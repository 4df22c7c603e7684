"""Predict calls: images in, ranked labels out."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request

from .admission import Answer
from .bank import Resident
from .bodies import ImageBytes, read_form, read_images
from .core import Core, CoreDependency
from .errors import BadRequest, BodyTooLarge, ClientGone, DeadlineExceeded, UnknownTask
from .images import DecodedImage
from .schemas import Prediction, Predictions, Problem, RankedLabel, Timings

T = TypeVar("T")

router = APIRouter(tags=["predict"], responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})

TopK = Annotated[int, Query(ge=1, description="How many labels to answer with; capped at the number there are.")]

_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ONE_TASK_BODY = {
    "requestBody": {
        "required": True,
        "description": "One image as the body, or any number as `file` parts of a form.",
        "content": {
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILES}, "required": ["file"]}},
        },
    }
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
_MANY_TASKS_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _MANY_TASKS_FORM}}}}


@router.post(
    "/v1/tasks/{task}/predict",
    summary="Ask one task",
    response_model_exclude_none=True,
    openapi_extra=_ONE_TASK_BODY,
)
async def predict_one_task(task: str, request: Request, core: CoreDependency, top_k: TopK = 5) -> Predictions:
    """Classify one or several images by one task's live version."""
    arrived = core.clock()
    core.catalog.resident(task)  # an unknown task is refused before its images are read
    images = await read_images(request, core.settings)
    return await _answer(core, request, [task], images, top_k, arrived)


@router.post(
    "/v1/predict", summary="Ask several tasks at once", response_model_exclude_none=True, openapi_extra=_MANY_TASKS_BODY
)
async def predict_many_tasks(request: Request, core: CoreDependency, top_k: TopK = 5) -> Predictions:
    """Classify every image by every named task, in one mixed batch; an image is decoded once."""
    arrived = core.clock()
    images, fields = await read_form(request, core.settings, fields=("tasks",))
    return await _answer(core, request, _named(fields["tasks"], core), images, top_k, arrived)


def _named(values: Sequence[str], core: Core) -> list[str]:
    names = dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip())
    if not names:
        raise BadRequest("form: expected a part 'tasks' with task names or *, found none")
    if "*" not in names:
        return list(names)
    if not core.catalog.live():
        raise UnknownTask("tasks: expected at least one live task, found none")
    return core.catalog.live()


async def _answer(
    core: Core, request: Request, tasks: Sequence[str], images: Sequence[ImageBytes], top_k: int, arrived: float
) -> Predictions:
    # From here on the request is bound to the versions that are live now, whatever is uploaded while it waits.
    residents = [core.catalog.resident(task) for task in tasks]
    left = arrived + core.settings.deadline_seconds - core.clock()
    decoded, answers = await _while_connected(request, _run(core, residents, images), left)
    pairs = [(position, resident) for position in range(len(images)) for resident in residents]
    for resident in residents:
        core.metrics.count_images(resident.task, len(images))
    total = core.clock() - arrived
    return Predictions(
        results=[
            _prediction(position, decoded[position], resident, answer, top_k, total)
            for (position, resident), answer in zip(pairs, answers, strict=True)
        ]
    )


async def _run(
    core: Core, residents: Sequence[Resident], images: Sequence[ImageBytes]
) -> tuple[list[DecodedImage], list[Answer]]:
    """Admission, decoding, batching: the way of a request through the server."""
    rows = len(images) * len(residents)
    if rows > core.settings.queue_limit:
        raise BodyTooLarge(f"request: expected at most {core.settings.queue_limit} images x tasks, found {rows}")
    with core.batcher.admit(rows) as ticket:
        decoded = await core.decoder.decode(images)
        return decoded, await ticket.run([(resident, image.tensor) for image in decoded for resident in residents])


async def _while_connected(request: Request, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Give the work up when its client goes away or its time has passed: then nobody needs the answer."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if leaving.done():
            raise ClientGone("client: expected it to wait for the answer, found the connection closed")
        raise DeadlineExceeded("request: expected an answer within the deadline, found it still waiting")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _prediction(
    position: int, image: DecodedImage, resident: Resident, answer: Answer, top_k: int, total: float
) -> Prediction:
    return Prediction(
        image=position,
        file=image.name,
        task=resident.task,
        version=resident.version,
        predictions=_ranked(resident, answer, top_k),
        timings=Timings(
            decode=_milliseconds(image.seconds),
            queue=_milliseconds(answer.queue_seconds),
            forward=_milliseconds(answer.forward_seconds),
            total=_milliseconds(total),
        ),
    )


def _ranked(resident: Resident, answer: Answer, top_k: int) -> list[RankedLabel]:
    labels, field = resident.manifest.labels, "score" if resident.manifest.activation == "none" else "probability"
    values, indices = answer.scores.topk(min(top_k, len(labels)))
    return [
        RankedLabel.model_validate({"label": labels[index], field: value})
        for index, value in zip(indices.tolist(), values.tolist(), strict=True)
    ]


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
