"""What the calls about trainings have in common."""

import unicodedata
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request
from pydantic import BaseModel

from facet_vision.prompts_store import InvalidExample
from facet_vision.prompts_store.manifest import label_fault
from facet_vision.service.errors import UnsupportedMedia
from facet_vision.service.http.bodies import media_type, read_bytes
from facet_vision.service.http.deps import ComponentsDependency, caller_of, needs
from facet_vision.service.http.middleware.audit import tell
from facet_vision.service.trainings.record import Training

MAX_JSON_BYTES = 64 * 1024
ID = "^[0-9a-f]{16}$"

PUBLISH = [Depends(needs("publish"))]

Document = TypeVar("Document", bound=BaseModel)

TrainingId = Annotated[
    str, Path(pattern=ID, description="Id of the training.", examples=["0123456789abcdef"])
]
ImageId = Annotated[
    str, Path(pattern=ID, description="Id of the image.", examples=["9f86d081884c7d65"])
]


async def seen_training(
    training: TrainingId, request: Request, components: ComponentsDependency
) -> Training:
    """Return the training of the path, whose task the caller's key covers; a dependency.

    Raises:
        UnknownTraining: there is none, or none that the caller may see.
    """
    found = await components.trainings.get(training, caller_of(request).sees)
    tell(request.scope, task=found.plan.task)
    return found


SeenTraining = Annotated[Training, Depends(seen_training)]


async def read_json(
    request: Request, components: ComponentsDependency, model: type[Document]
) -> Document:
    """Read a short JSON document.

    Raises:
        UnsupportedMedia: the body is of another type.
        ValidationError: it is no such document.
    """
    # No other type: a browser lets any web page send some of those without asking this server.
    if media_type(request) != "application/json":
        raise UnsupportedMedia(
            f"Content-Type: expected application/json, found {media_type(request)!r}"
        )
    idle_seconds = components.settings.idle_body_seconds
    data = await read_bytes(request, MAX_JSON_BYTES, "a JSON document", idle_seconds)
    return model.model_validate_json(data)


def checked_label(label: str) -> str:
    """Return a label as `facet train` takes it: NFC, without spaces around.

    Raises:
        InvalidExample: it can be none.
    """
    normal = unicodedata.normalize("NFC", label).strip()
    if (fault := label_fault(normal)) is not None:
        raise InvalidExample(f"label: {fault}")
    return normal
