"""Calls of the Open Inference Protocol: health, metadata, repository, statistics, inference.

Query parameters are not looked at, as the protocol asks for. Bodies are read without regard to
their content type, since its clients send none.
"""

import zlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from facet_vision.service.errors import BadRequest
from facet_vision.service.http.bodies import aside_if_large, bounded
from facet_vision.service.http.calls import Call
from facet_vision.service.http.deps import (
    ComponentsDependency,
    Endpoint,
    actor_of,
    caller_of,
    guarded,
    needs,
)
from facet_vision.service.http.parameters import TaskName
from facet_vision.service.oip import inference, models
from facet_vision.service.settings import Settings

from .answers import (
    Empty,
    ModelConfig,
    ModelIndex,
    ModelMetadata,
    ModelReady,
    ModelStatisticsList,
    OipError,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from .bodies import JSON_LENGTH, read_request, refused, response_parts
from .schemas import (
    INDEX,
    INFER,
    INFER_VERSION,
    INFERRED,
    LOAD,
    MAX_INDEX_BYTES,
    UNLOAD,
    VERSION_PARAMETER,
    IndexRequest,
    LoadRequest,
    UnloadRequest,
)

PREFIX = "/v2"
MODEL = f"{PREFIX}/models/{{task}}"
VERSION = f"{MODEL}/versions/{{version}}"

COMPRESSIBLE_BYTES = 1024
"""Shorter answers are sent as they are."""

_GZIP = 16 + zlib.MAX_WBITS
_CODINGS = {"gzip": _GZIP, "deflate": zlib.MAX_WBITS}

_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": OipError}, "5XX": {"model": OipError}}

health = APIRouter(prefix=f"{PREFIX}/health", tags=["open inference protocol"], responses=_ERRORS)
infer = APIRouter(tags=["open inference protocol"], responses=_ERRORS)
router = APIRouter(tags=["open inference protocol"], responses=_ERRORS)

_ANY = [Depends(needs())]
_PUBLISH = [Depends(needs("publish"))]


async def _version_of(request: Request) -> str:
    """Return the version that the path names; empty if it names none."""
    return cast(str, request.path_params.get("version", ""))


ModelVersion = Annotated[str, Depends(_version_of)]


def _of_a_task(path: str, summary: str, answer: type[BaseModel]) -> Callable[[Endpoint], Endpoint]:
    """Decorate what shows something of a task: of the live version, and of the one in the path."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        versioned = {"parameters": [VERSION_PARAMETER]}
        for parent, what, extra in ((MODEL, "a task", None), (VERSION, "a version", versioned)):
            router.get(
                f"{parent}{path}",
                summary=summary.format(what),
                response_model=answer,
                openapi_extra=extra,
                dependencies=_ANY,
            )(endpoint)
        return endpoint

    return decorate


@health.get(
    "/live",
    summary="Is the server alive?",
    response_model=ServerLive,
    responses={503: {"model": ServerLive | OipError}},
)
async def live(components: ComponentsDependency) -> JSONResponse:
    """Answer 503 once the engine's thread has died."""
    sound = components.sound
    return JSONResponse({"live": sound}, 200 if sound else 503)


@health.get(
    "/ready",
    summary="Is the server ready?",
    response_model=ServerReady,
    responses={503: {"model": ServerReady | OipError}},
)
async def ready(components: ComponentsDependency) -> JSONResponse:
    """Answer 503 while requests are not taken; a single task's state does not matter."""
    is_ready = components.obstacle is None
    return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)


@router.get(PREFIX, summary="Describe the server", response_model=ServerMetadata, dependencies=_ANY)
@router.get(f"{PREFIX}/", include_in_schema=False, dependencies=_ANY)
async def server_metadata() -> dict[str, Any]:
    """Show the server's name, its version and the protocol's extensions that it has."""
    return models.server_metadata()


# Before the calls of one model: no task may be called "stats".
@router.get(
    f"{PREFIX}/models/stats",
    summary="Statistics of all tasks",
    response_model=ModelStatisticsList,
    dependencies=_ANY,
)
async def all_statistics(request: Request, components: ComponentsDependency) -> dict[str, Any]:
    """Show what every live task that the key covers has answered since the server's start."""
    entries = await components.listing.live_entries()
    sees = caller_of(request).sees
    return {"model_stats": components.statistics.documents(entries, sees)}


@_of_a_task("", "Describe {}", ModelMetadata)
async def model_metadata(
    task: TaskName, version: ModelVersion, components: ComponentsDependency
) -> dict[str, Any]:
    """Show the inputs and outputs of a task's live version."""
    listed = await components.listing.find(task)
    return models.metadata(listed, version, components.backbone.preprocess.input_size)


@_of_a_task("/ready", "Is {} ready?", ModelReady)
async def model_ready(
    task: TaskName, version: ModelVersion, components: ComponentsDependency
) -> dict[str, Any]:
    """Answer 200 if the version is live and can be served; otherwise say why not."""
    models.check_version(await components.listing.find(task), version)
    return {"name": task, "ready": True}


@_of_a_task("/config", "Configuration of {}", ModelConfig)
async def model_config(
    task: TaskName, version: ModelVersion, components: ComponentsDependency
) -> dict[str, Any]:
    """Show a task's configuration as Triton's clients read it."""
    listed = await components.listing.find(task)
    size, most = components.backbone.preprocess.input_size, components.settings.max_images
    return models.config(listed, version, size, most)


@_of_a_task("/stats", "Statistics of {}", ModelStatisticsList)
async def model_statistics(
    task: TaskName, version: ModelVersion, components: ComponentsDependency
) -> dict[str, Any]:
    """Show what a task's live version has answered since the server's start."""
    number = models.check_version(await components.listing.find(task), version)
    return {"model_stats": [components.statistics.document(task, number)]}


@router.post(
    f"{PREFIX}/repository/index",
    summary="List all versions",
    response_model=list[ModelIndex],
    openapi_extra=INDEX,
    dependencies=_ANY,
)
async def repository_index(
    request: Request, components: ComponentsDependency
) -> list[dict[str, Any]]:
    """List every version of every task, and files that were refused lately with the reason."""
    data = await _body(request, MAX_INDEX_BYTES, components.settings)
    wanted = _read(IndexRequest, bytes(data) or b"{}")
    return await components.repository.index(caller_of(request).sees, ready=wanted.ready)


@router.post(
    f"{PREFIX}/repository/models/{{task}}/load",
    summary="Make a version live",
    openapi_extra=LOAD,
    dependencies=_PUBLISH,
)
async def load(task: TaskName, request: Request, components: ComponentsDependency) -> Empty:
    """Make a version live, or upload a task file that comes with the call and make it live."""
    settings = components.settings
    # Base64 takes four bytes for three.
    data = await _body(request, settings.max_task_bytes * 4 // 3 + MAX_INDEX_BYTES, settings)
    parameters = await aside_if_large(len(data), lambda: _load_parameters(bytes(data) or b"{}"))
    await components.repository.load(task, parameters, by=actor_of(request))
    return Empty()


@router.post(
    f"{PREFIX}/repository/models/{{task}}/unload",
    summary="Retire a task",
    openapi_extra=UNLOAD,
    dependencies=_PUBLISH,
)
async def unload(task: TaskName, request: Request, components: ComponentsDependency) -> Empty:
    """Retire a task; nothing happens if it is not live. Its versions stay in the store."""
    data = await _body(request, MAX_INDEX_BYTES, components.settings)
    _read(UnloadRequest, bytes(data) or b"{}")
    await components.repository.unload(task, by=actor_of(request))
    return Empty()


@infer.post(f"{MODEL}/infer", summary="Ask a task", openapi_extra=INFER, responses=INFERRED)
@infer.post(
    f"{VERSION}/infer", summary="Ask a version", openapi_extra=INFER_VERSION, responses=INFERRED
)
@guarded(needs("infer"))
async def model_infer(task: TaskName, request: Request) -> Response:
    """Classify images; tensors travel as JSON or as bytes, and encoded images are taken as well."""
    call, version = Call.of(request), await _version_of(request)
    await call.check(call.asking([task], 1))
    context = call.context
    body = await _body(request, context.settings.max_request_bytes, context.settings)
    header = request.headers.get(JSON_LENGTH)
    asked = await aside_if_large(len(body), lambda: read_request(body, header, task, version))
    images = inference.images_of(
        asked.inputs, context.decoder.input_size, context.settings.max_images
    )
    wanted = asked.predict_request(
        len(images), call.deadline, context.clock(), caller_of(request).name
    )
    _, predictions = await replace(call, deadline=wanted.deadline).answer(wanted, images)

    def respond() -> tuple[bytes, dict[str, str]]:
        outputs = inference.outputs_of(asked, predictions)
        content, headers = response_parts(asked, predictions[0].version, outputs)
        return _compressed(content, headers, request.headers.get("accept-encoding", ""))

    content, headers = await aside_if_large(_size(predictions), respond)
    return Response(content, headers=headers)


async def _body(request: Request, limit: int, settings: Settings) -> memoryview:
    """Read a body into one piece of memory, which is not copied any more."""
    stream = bounded(request, limit, "a body", settings.idle_body_seconds).stream()
    whole = bytearray()
    async for part in stream:
        whole += part
    return memoryview(whole).toreadonly()


def _read(model: type[Any], data: bytes) -> Any:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise refused(error) from None


def _load_parameters(data: bytes) -> dict[str, str | bytes]:
    parameters = _read(LoadRequest, data).parameters
    found: dict[str, str | bytes] = {}
    for name, value in parameters.items():
        try:
            found[name] = b64decode(value, validate=True) if name.startswith("file:") else value
        except ValueError:
            raise BadRequest(
                f"parameters: expected base64 as {name[:64]!r}, found other text"
            ) from None
    return found


def _compressed(
    content: bytes, headers: dict[str, str], accepted: str
) -> tuple[bytes, dict[str, str]]:
    """Compress an answer in the coding that the client names first, if it names one."""
    codings = [each.partition(";")[0].strip().lower() for each in accepted.split(",")]
    coding = next((each for each in codings if each in _CODINGS), None)
    if coding is None or len(content) < COMPRESSIBLE_BYTES:
        return content, headers
    encoder = zlib.compressobj(1, zlib.DEFLATED, _CODINGS[coding])
    return encoder.compress(content) + encoder.flush(), headers | {
        "content-encoding": coding,
        "vary": "accept-encoding",
    }


def _size(predictions: Any) -> int:
    return sum(len(each.numbers) * 8 for each in predictions if each.numbers is not None)
