"""Task calls: list, upload, download, activate, retire."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from facet_vision.prompts_store import check_task_name
from facet_vision.service.errors import UnsupportedMedia
from facet_vision.service.residency.listing import Listed

from .bodies import media_type, read_bytes
from .deps import ComponentsDependency
from .schemas import (
    Activation,
    EventRecord,
    Live,
    Problem,
    Published,
    TaskDetail,
    TaskList,
    TaskSummary,
    VersionRecord,
)

MAX_JSON_BYTES = 64 * 1024
MAX_PAGE = 1000

router = APIRouter(tags=["tasks"], responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})

VersionNumber = Annotated[int, Path(ge=1, description="Number of the version.")]

_TASK_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_UPLOAD_BODY = {
    "requestBody": {"required": True, "description": "A task file.", "content": _TASK_FILE}
}
_ACTIVATION_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Activation.model_json_schema()}},
    }
}


@router.get("/v1/tasks", summary="List the tasks", response_model_exclude_none=True)
async def list_tasks(
    components: ComponentsDependency,
    after: Annotated[
        str, Query(description="Names after this one: `next` of the page before.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most tasks in the answer.")] = 100,
) -> TaskList:
    """A page of the store's tasks with their state, by name; details of the live version where there is one."""
    listed = await components.listing.page(after, limit + 1)
    tasks = [TaskSummary(**_summary(one)) for one in listed[:limit]]
    return TaskList(
        backbone=components.backbone.name,
        fingerprint=components.backbone.fingerprint,
        tasks=tasks,
        next=tasks[-1].task if len(listed) > limit else None,
    )


@router.get(
    "/v1/tasks/{task}", summary="Show a task and its history", response_model_exclude_none=True
)
async def show_task(task: str, components: ComponentsDependency) -> TaskDetail:
    """A task with its manifest, all stored versions, and every event since the first upload."""
    listed = await components.listing.show(task)
    state = listed.entry.state
    assert state is not None, "the store has just been read"
    return TaskDetail(
        **_summary(listed),
        manifest=listed.manifest.model_dump(mode="json") if listed.manifest else None,
        history=[EventRecord.model_validate(event) for event in state.events],
        stored=[VersionRecord.model_validate(version) for version in state.versions],
    )


@router.post(
    "/v1/tasks/{task}/versions",
    status_code=201,
    summary="Upload a task file",
    openapi_extra=_UPLOAD_BODY,
)
async def upload_version(
    task: str,
    request: Request,
    response: Response,
    components: ComponentsDependency,
    activate: Annotated[bool, Query(description="Make it live at once.")] = True,
) -> Published:
    """Check a task file whole, store it durably as the next version, and make it live: the next request sees it."""
    check_task_name(task)
    # Not multipart: a form is the one kind of body that a foreign web page may send here without asking first.
    if media_type(request) != "application/octet-stream":
        raise UnsupportedMedia(
            f"Content-Type: expected application/octet-stream, found {media_type(request)!r}"
        )
    settings = components.settings
    data = await read_bytes(
        request, settings.max_task_bytes, "a task file", settings.idle_body_seconds
    )
    version = await components.publisher.publish(task, data, activate=activate, by=_client(request))
    response.headers["Location"] = f"/v1/tasks/{task}/versions/{version.number}"
    return Published(
        task=task, version=version.number, sha256=version.sha256, size=version.size, live=activate
    )


@router.get(
    "/v1/tasks/{task}/versions/{version}",
    summary="Download a task file",
    response_class=Response,
    responses={
        200: {"content": _TASK_FILE, "description": "The task file."},
        304: {"description": "Unchanged."},
    },
)
async def download_version(
    task: str, version: VersionNumber, request: Request, components: ComponentsDependency
) -> Response:
    """The bytes that were uploaded. Versions never change, so they may be cached for good."""
    record, data = await components.listing.read(task, version)
    etag = f'"{record.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=31536000, immutable"}
    if etag in (part.strip() for part in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{task}-v{version}.safetensors"'
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.put(
    "/v1/tasks/{task}/live",
    summary="Activate a version, or roll back",
    openapi_extra=_ACTIVATION_BODY,
)
async def activate_version(task: str, request: Request, components: ComponentsDependency) -> Live:
    """Make a stored version the live one; the old one finishes what it was asked before."""
    body = await read_bytes(
        request, MAX_JSON_BYTES, "a JSON document", components.settings.idle_body_seconds
    )
    wanted = Activation.model_validate_json(body)
    await components.publisher.activate(task, wanted.version, by=_client(request))
    return Live(task=task, version=wanted.version)


@router.delete("/v1/tasks/{task}", status_code=204, summary="Retire a task")
async def retire_task(task: str, request: Request, components: ComponentsDependency) -> None:
    """Take a task out of service. Its versions stay in the store and can be activated again."""
    await components.publisher.retire(task, by=_client(request))


def _summary(listed: Listed) -> dict[str, Any]:
    entry, state, manifest, resident = (
        listed.entry,
        listed.entry.state,
        listed.manifest,
        listed.resident,
    )
    summary: dict[str, Any] = {
        "task": entry.name,
        "state": entry.condition,
        "reason": entry.reason,
        "live": entry.live,
        "versions": len(state.versions) if state else None,
    }
    if state is None or manifest is None:
        return summary
    live = resident.version if resident else entry.live
    return summary | {
        "live": live,
        "method": manifest.method,
        "description": manifest.description or None,
        "labels": list(manifest.labels),
        "activation": manifest.activation,
        "metrics": dict(manifest.metrics),
        "size": next((version.size for version in state.versions if version.number == live), None),
        "place": listed.place,
        "resident_bytes": resident.nbytes if resident else None,
    }


def _client(request: Request) -> str:
    return f"http:{request.client.host}" if request.client else "http"
