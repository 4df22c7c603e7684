"""Calls about trainings: create, list, show, start, cancel, watch, publish, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.responses import StreamingResponse

from facet_vision.prompts_store import check_task_name
from facet_vision.service.errors import InvalidBody
from facet_vision.service.http.deps import ComponentsDependency, actor_of, caller_of
from facet_vision.service.http.middleware.audit import tell
from facet_vision.service.http.middleware.head import is_head
from facet_vision.service.http.openapi.bodies import limited, schema_of
from facet_vision.service.http.parameters import known_parameters
from facet_vision.service.http.schemas import Problem, Published

from .parts import MAX_JSON_BYTES, PUBLISH, SeenTraining, read_json
from .schemas import (
    NewTraining,
    PublishTraining,
    TrainingDetail,
    TrainingList,
    TrainingSummary,
    detail,
    summary,
)
from .stream import MEDIA_TYPE, streamed

router = APIRouter(
    tags=["trainings"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)

_LOCATION = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
_EVENTS = {MEDIA_TYPE: {"schema": {"type": "string"}}}


def _body(model: Any) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema_of(model)}},
            **limited(body_bytes=MAX_JSON_BYTES),
        }
    }


@router.post(
    "/v1/trainings",
    status_code=201,
    summary="Create a training",
    openapi_extra=_body(NewTraining),
    dependencies=PUBLISH,
    responses={201: {"headers": _LOCATION}},
)
async def create_training(
    request: Request, response: Response, components: ComponentsDependency
) -> TrainingSummary:
    """Create a training, which takes images until it is started.

    The key must cover the task.
    """
    wanted = await read_json(request, components, NewTraining)
    check_task_name(wanted.task)
    caller_of(request).require("publish", wanted.task)
    tell(request.scope, task=wanted.task)
    auto = wanted.method == "auto"
    if not auto and "budget_seconds" in wanted.model_fields_set:
        raise InvalidBody(
            f"budget_seconds: expected none without method auto, found {wanted.budget_seconds}"
        )
    training = await components.trainings.create(
        wanted.task,
        wanted.method,
        wanted.budget_seconds if auto else None,
        wanted.keep_seconds,
        by=actor_of(request),
    )
    prefix = request.scope.get("root_path", "")
    response.headers["Location"] = f"{prefix}/v1/trainings/{training.id}"
    return summary(training, None)


@router.get("/v1/trainings", summary="List the trainings", dependencies=PUBLISH)
async def list_trainings(request: Request, components: ComponentsDependency) -> TrainingList:
    """List the trainings of the tasks that the key covers, in the order of their creation."""
    trainings = components.trainings
    found = await trainings.all(caller_of(request).sees)
    return TrainingList(trainings=[summary(each, trainings.progress(each.id)) for each in found])


@router.get("/v1/trainings/{training}", summary="Show a training", dependencies=PUBLISH)
async def show_training(training: SeenTraining, components: ComponentsDependency) -> TrainingDetail:
    """Show a training, and what came of it once it is done."""
    return detail(training, components.trainings.progress(training.id))


@router.post("/v1/trainings/{training}/start", summary="Start a training", dependencies=PUBLISH)
async def start_training(
    training: SeenTraining, request: Request, components: ComponentsDependency
) -> TrainingSummary:
    """Let a training wait for its turn: one runs at a time.

    One that is done, has failed or was cancelled trains anew, with the images that it has now.
    """
    return summary(await components.trainings.start(training.id, by=actor_of(request)), None)


@router.post("/v1/trainings/{training}/cancel", summary="Cancel a training", dependencies=PUBLISH)
async def cancel_training(
    training: SeenTraining, request: Request, components: ComponentsDependency
) -> TrainingSummary:
    """Take a training out of the queue, or end it while it runs; it can be started again."""
    return summary(await components.trainings.cancel(training.id, by=actor_of(request)), None)


@router.get(
    "/v1/trainings/{training}/events",
    summary="Watch a training",
    dependencies=PUBLISH,
    response_class=StreamingResponse,
    responses={200: {"content": _EVENTS, "description": "Server-sent events, until it is gone."}},
)
async def watch_training(
    training: SeenTraining,
    request: Request,
    components: ComponentsDependency,
    last_event_id: Annotated[
        str, Header(description="Id of the last event that was seen; those after it are sent.")
    ] = "",
) -> StreamingResponse:
    """Send what happens to a training as it comes.

    Events are `state` (a training without its result), `progress` and `result`. What happened since
    it was last started is sent first.
    """
    events = components.trainings.watch(training, last_event_id)
    return streamed(events, begin_only=is_head(request.scope))


@router.post(
    "/v1/trainings/{training}/publish",
    status_code=201,
    summary="Publish what a training made",
    openapi_extra=_body(PublishTraining),
    dependencies=PUBLISH,
    responses={
        201: {"headers": _LOCATION},
        200: {
            "model": Published,
            "headers": _LOCATION,
            "description": "It is a stored version already; with `activate` it is live.",
        },
    },
)
async def publish_training(
    training: SeenTraining, request: Request, response: Response, components: ComponentsDependency
) -> Published:
    """Make the next version of the task of it, as an upload of its task file would."""
    wanted = await read_json(request, components, PublishTraining)
    task, by = training.plan.task, actor_of(request)
    data = await components.trainings.task_file(training)
    made = await components.publisher.publish(task, data, activate=wanted.activate, by=by)
    version = made.version
    tell(request.scope, version=version.number, sha256=version.sha256)
    await components.trainings.published(training, version.number, by=by)
    prefix = request.scope.get("root_path", "")
    response.headers["Location"] = f"{prefix}/v1/tasks/{task}/versions/{version.number}"
    if not made.created:
        response.status_code = 200
    return Published(
        task=task, version=version.number, sha256=version.sha256, size=version.size, live=made.live
    )


@router.delete(
    "/v1/trainings/{training}", status_code=204, summary="Delete a training", dependencies=PUBLISH
)
async def delete_training(
    training: SeenTraining, request: Request, components: ComponentsDependency
) -> None:
    """End a training and delete it with its images and all; what was published of it stays."""
    await components.trainings.delete(training.id, by=actor_of(request))
