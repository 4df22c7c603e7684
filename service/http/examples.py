"""Calls about the examples of instant tasks: show, add, forget."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from facet_vision.prompts_store import check_task_name
from facet_vision.prompts_store.instant.facts import ID_BYTES, InstantKind
from facet_vision.prompts_store.instant.file import example_id
from facet_vision.prompts_store.manifest import MAX_LABEL_LENGTH
from facet_vision.service.errors import BadRequest
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.telemetry.request_log import note

from .bodies import aside_if_large, read_form
from .calls import Call
from .deps import ComponentsDependency, actor_of, caller_of, needs
from .middleware.audit import tell
from .openapi.bodies import limited
from .parameters import TASK_NAME_SCHEMA, TaskName, known_parameters
from .schemas import ExamplesChanged, Problem, TaskExamples

router = APIRouter(
    tags=["examples"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)

ExampleId = Annotated[
    str,
    Path(
        pattern=f"^[0-9a-f]{{{2 * ID_BYTES}}}$",
        description="Id of the example: the first digits of the SHA-256 of its image's file.",
        examples=["9f86d081884c7d65"],
    ),
]

_FORM = {
    "type": "object",
    "required": ["file", "label"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary", "minLength": 1},
            "minItems": 1,
        },
        "label": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_LABEL_LENGTH},
            "minItems": 1,
            "description": "One label for all files, or as many as files, in the same order.",
            "example": ["cat", "dog"],
        },
    },
}
LABELLED_FORM = {
    "requestBody": {
        "required": True,
        "description": "Images as `file` parts of a form, each with its `label`.",
        "content": {"multipart/form-data": {"schema": _FORM}},
        **limited("max_images", "max_image_bytes", "max_image_pixels", "max_request_bytes"),
    }
}
_LOCATION = {"Location": {"description": "Where the version is.", "schema": {"type": "string"}}}

_PUBLISH = [Depends(needs("publish"))]


@router.get(
    "/v1/tasks/{task}/examples",
    summary="List the examples of an instant task",
    dependencies=_PUBLISH,
)
async def list_examples(task: TaskName, components: ComponentsDependency) -> TaskExamples:
    """List the examples of the live version, label by label, by their ids."""
    return TaskExamples.model_validate(await components.examples.show(task))


@router.post(
    "/v1/tasks/{task}/examples",
    status_code=201,
    summary="Create or extend an instant task",
    openapi_extra=LABELLED_FORM,
    dependencies=_PUBLISH,
    responses={
        201: {"headers": _LOCATION},
        200: {
            "model": ExamplesChanged,
            "headers": _LOCATION,
            "description": "The task has these examples already; no version was added.",
        },
    },
)
async def add_examples(
    task: TaskName,
    request: Request,
    response: Response,
    components: ComponentsDependency,
    method: Annotated[
        InstantKind | None,
        Query(
            description="How labels are told apart: nearest class mean, nearest neighbours or "
            "linear discriminant analysis. A task that begins has lda unless this says otherwise; "
            "of one that is there it must be the task's, which PATCH changes."
        ),
    ] = None,
    adaptation: Annotated[
        str | None,
        Query(
            description="A task under whose adaptation images become features, in place of the "
            "bare backbone: what its prompts and other parts have learned helps the new task, "
            "which keeps a copy of them. Of a task that is there it must be the task's own.",
            examples=["flowers"],
            json_schema_extra=TASK_NAME_SCHEMA,
        ),
    ] = None,
) -> ExamplesChanged:
    """Learn from labelled images: the next version of the task is live when this is answered.

    A new label becomes one of the task's. A task that is not live begins with these images. The
    same file counts once; sent under another label it moves there. So a call may be repeated.
    Changes that arrive together become one version.
    """
    check_task_name(task)
    if adaptation is not None:
        check_task_name(adaptation)
        caller_of(request).require("publish", adaptation)  # as for a download of it
    under = adaptation or await components.examples.embedder(task)
    call = Call.of(request)
    wanted = call.asking([under], 1, output="features", example_of=task)
    await call.check(wanted)
    images, fields = await read_form(request, components.settings, fields=("label",))
    labels = labels_of_files(fields["label"], len(images))
    ids = await aside_if_large(sum(len(image.data) for image in images), lambda: _ids(images))
    _check_labels(labels, ids)
    wanted = call.asking([under], len(images), output="features", example_of=task)
    _, predictions = await call.answer(wanted, images)
    examples = []
    for label, id, prediction in zip(labels, ids, predictions, strict=True):
        assert prediction.numbers is not None, "a call for features gets them"
        examples.append((label, id, prediction.numbers))
    answered = predictions[0].task, predictions[0].version
    made = await components.examples.add(
        task, examples, method, by=actor_of(request), under=answered
    )
    note(tasks=[task])  # the rows may be another's, the request is the task's
    tell(request.scope, version=made.version, sha256=made.sha256)
    if not made.created:
        response.status_code = 200
    prefix = request.scope.get("root_path", "")
    response.headers["Location"] = f"{prefix}/v1/tasks/{task}/versions/{made.version}"
    return ExamplesChanged.model_validate(made)


@router.patch(
    "/v1/tasks/{task}/examples", summary="Change an instant task's method", dependencies=_PUBLISH
)
async def change_method(
    task: TaskName,
    request: Request,
    components: ComponentsDependency,
    method: Annotated[InstantKind, Query(description="How labels are told apart from now on.")],
) -> ExamplesChanged:
    """Make another kind of head of the examples; the next version of the task is live with it.

    Nothing happens if the task has this method already.
    """
    made = await components.examples.use(task, method, by=actor_of(request))
    tell(request.scope, version=made.version, sha256=made.sha256)
    return ExamplesChanged.model_validate(made)


@router.delete("/v1/tasks/{task}/examples", summary="Forget a label", dependencies=_PUBLISH)
async def forget_label(
    task: TaskName,
    request: Request,
    components: ComponentsDependency,
    label: Annotated[str, Query(min_length=1, description="The label to forget.")],
) -> ExamplesChanged:
    """Forget a label and its examples; the next version of the task is live without them.

    Versions of before still hold them, until they are deleted.
    """
    made = await components.examples.forget_label(task, label, by=actor_of(request))
    tell(request.scope, version=made.version, sha256=made.sha256)
    return ExamplesChanged.model_validate(made)


@router.delete(
    "/v1/tasks/{task}/examples/{example}", summary="Forget an example", dependencies=_PUBLISH
)
async def forget_example(
    task: TaskName, example: ExampleId, request: Request, components: ComponentsDependency
) -> ExamplesChanged:
    """Forget an example; the next version of the task is live without it.

    A label goes with its last example. Versions of before still hold it, until they are deleted.
    """
    made = await components.examples.forget(task, example, by=actor_of(request))
    tell(request.scope, version=made.version, sha256=made.sha256)
    return ExamplesChanged.model_validate(made)


def labels_of_files(given: Sequence[str], files: int) -> list[str]:
    """Return the label of each file.

    Raises:
        BadRequest: there is neither one for all nor one for each.
    """
    if len(given) not in (1, files):
        raise BadRequest(
            f"form: expected one 'label' for all files or {files}, one for each in their order, "
            f"found {len(given)}"
        )
    return list(given) if len(given) == files else list(given) * files


def _ids(images: Sequence[ImageBytes]) -> list[str]:
    return [example_id(image.data) for image in images]


def _check_labels(labels: Sequence[str], ids: Sequence[str]) -> None:
    """Raise BadRequest for an image that a form has under two labels."""
    known: dict[str, str] = {}
    for position, (label, id) in enumerate(zip(labels, ids, strict=True)):
        if (other := known.setdefault(id, label)) != label:
            raise BadRequest(
                f"form: expected each image under one label, found file {position} under "
                f"{other[:60]!r} and {label[:60]!r}"
            )
