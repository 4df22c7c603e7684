"""Task calls: list, upload, download, activate, retire, delete."""

import asyncio
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from facet_vision.prompts_store import check_task_name
from facet_vision.service.components import Components
from facet_vision.service.errors import UnsupportedMedia

from .bodies import media_type, read_bytes
from .deps import ComponentsDependency, actor_of, caller_of, needs
from .middleware.audit import tell
from .openapi.bodies import limited, schema_of
from .parameters import PlainDigits, TaskName, known_parameters
from .schemas import (
    MAX_VERSION,
    Activation,
    Live,
    Problem,
    Published,
    TaskDetail,
    TaskList,
    TaskSummary,
)
from .views.caching import is_current

MAX_JSON_BYTES = 64 * 1024
MAX_PAGE = 1000

router = APIRouter(
    tags=["tasks"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)

VersionNumber = Annotated[
    int, Path(ge=1, le=MAX_VERSION, description="Number of the version."), PlainDigits
]

_BYTES = {"type": "string", "format": "binary", "minLength": 1}
_TASK_FILE = {"application/octet-stream": {"schema": _BYTES}}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": "A task file.",
        "content": _TASK_FILE,
        **limited("max_task_bytes"),
    }
}
_ACTIVATION_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema_of(Activation)}},
        **limited(body_bytes=MAX_JSON_BYTES),
    }
}


def _header(name: str, description: str) -> dict[str, Any]:
    return {name: {"description": description, "schema": {"type": "string"}}}


_CACHED = _header("ETag", "The file's SHA-256, quoted.") | _header("Cache-Control", "For ever.")
_CONDITION = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "description": "An ETag of before, for 304 if it is still so.",
            "schema": {"type": "string"},
        }
    ]
}

_ANY = [Depends(needs())]
_PUBLISH = [Depends(needs("publish"))]


@router.get(
    "/v1/tasks",
    summary="List the tasks",
    response_model_exclude_none=True,
    dependencies=_ANY,
)
async def list_tasks(
    request: Request,
    components: ComponentsDependency,
    after: Annotated[
        str, Query(description="Names after this one: `next` of the page before.")
    ] = "",
    limit: Annotated[
        int, Query(ge=1, le=MAX_PAGE, description="Most tasks in the answer."), PlainDigits
    ] = 100,
) -> TaskList:
    """List a page of the store's tasks with their state, by name.

    A task with a live version is listed with its details, and only those that the key covers are.
    """
    # One more than asked for shows whether there is a next page.
    listed = await components.listing.page(after, limit + 1, caller_of(request).sees)
    tasks = [TaskSummary.model_validate(one) for one in listed[:limit]]
    return TaskList(
        backbone=components.backbone.name,
        fingerprint=components.backbone.fingerprint,
        tasks=tasks,
        next=tasks[-1].task if len(listed) > limit else None,
    )


@router.get(
    "/v1/tasks/{task}",
    summary="Show a task and its history",
    response_model_exclude_none=True,
    dependencies=_ANY,
)
async def show_task(task: TaskName, components: ComponentsDependency) -> TaskDetail:
    """Show a task's manifest, all stored versions, and every event since the first upload."""
    return TaskDetail.model_validate(await components.listing.show(task))


@router.post(
    "/v1/tasks/{task}/versions",
    status_code=201,
    summary="Upload a task file",
    openapi_extra=_UPLOAD_BODY,
    dependencies=_PUBLISH,
    responses={
        201: {"headers": _header("Location", "Where the version is.")},
        200: {
            "model": Published,
            "headers": _header("Location", "Where the version is."),
            "description": "These bytes are a stored version already. Nothing was added; with "
            "`activate` it is live.",
        },
    },
)
async def upload_version(
    task: TaskName,
    request: Request,
    response: Response,
    components: ComponentsDependency,
    activate: Annotated[bool, Query(description="Make it live at once.")] = True,
) -> Published:
    """Check a task file, store it durably as the next version, and make it live.

    The next request is answered by it. The same bytes uploaded again are the same version, so an
    upload may be repeated.
    """
    check_task_name(task)
    # No form: a browser lets any web page send one here without asking this server first.
    if media_type(request) != "application/octet-stream":
        raise UnsupportedMedia(
            f"Content-Type: expected application/octet-stream, found {media_type(request)!r}"
        )
    settings = components.settings
    data = await read_bytes(
        request, settings.max_task_bytes, "a task file", settings.idle_body_seconds
    )
    tell(request.scope, sha256=await asyncio.to_thread(_sha256, data))
    made = await components.publisher.publish(task, data, activate=activate, by=actor_of(request))
    version, prefix = made.version, request.scope.get("root_path", "")
    tell(request.scope, version=version.number)
    response.headers["Location"] = f"{prefix}/v1/tasks/{task}/versions/{version.number}"
    if not made.created:
        response.status_code = 200
    return Published(
        task=task, version=version.number, sha256=version.sha256, size=version.size, live=made.live
    )


@router.get(
    "/v1/tasks/{task}/versions/{version}",
    summary="Download a task file",
    dependencies=_PUBLISH,
    response_class=Response,
    responses={
        200: {
            "content": _TASK_FILE,
            "description": "The task file.",
            "headers": _CACHED | _header("Content-Disposition", "A file name."),
        },
        304: {"description": "Unchanged.", "headers": _CACHED},
    },
    openapi_extra=_CONDITION,
)
async def download_version(
    task: TaskName, version: VersionNumber, request: Request, components: ComponentsDependency
) -> Response:
    """Return the bytes that were uploaded. Versions never change and may be cached for ever."""
    record, data = await components.listing.read(task, version)
    etag = f'"{record.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=31536000, immutable"}
    if is_current(etag, request):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{task}-v{version}.safetensors"'
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.delete(
    "/v1/tasks/{task}/versions/{version}",
    status_code=204,
    summary="Delete a version",
    dependencies=_PUBLISH,
)
async def delete_version(
    task: TaskName, version: VersionNumber, request: Request, components: ComponentsDependency
) -> None:
    """Delete the file of a version that is not live, which frees its space.

    It cannot be undone. The number is never used again, and the history keeps what happened.
    """
    tell(request.scope, version=version)
    await components.publisher.delete(task, version, by=actor_of(request))
    _tell_version(request, components, task, version)


@router.put(
    "/v1/tasks/{task}/live",
    summary="Activate a version, or roll back",
    openapi_extra=_ACTIVATION_BODY,
    dependencies=_PUBLISH,
)
async def activate_version(
    task: TaskName, request: Request, components: ComponentsDependency
) -> Live:
    """Make a stored version the live one.

    Requests that were admitted before are still answered by the former one.
    """
    body = await read_bytes(
        request, MAX_JSON_BYTES, "a JSON document", components.settings.idle_body_seconds
    )
    wanted = Activation.model_validate_json(body)
    tell(request.scope, version=wanted.version)
    await components.publisher.activate(task, wanted.version, by=actor_of(request))
    _tell_version(request, components, task, wanted.version)
    return Live(task=task, version=wanted.version)


@router.delete("/v1/tasks/{task}", status_code=204, summary="Retire a task", dependencies=_PUBLISH)
async def retire_task(task: TaskName, request: Request, components: ComponentsDependency) -> None:
    """Take a task out of service. Its versions stay in the store and can be activated again."""
    await components.publisher.retire(task, by=actor_of(request))
    _tell_version(request, components, task)


def _tell_version(
    request: Request, components: Components, task: str, version: int | None = None
) -> None:
    """Tell the record of changes which version it was, by default that of the last event."""
    entry = components.registry.get(task)
    for event in reversed(entry.state.events if entry and entry.state else ()):
        if version in (None, event.version):
            tell(request.scope, version=event.version, sha256=event.sha256)
            return


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
