"""Image classification in the form of Hugging Face's inference API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, WithJsonSchema
from pydantic_core import to_json

from facet_vision.service.errors import UnsupportedMedia
from facet_vision.service.http.bodies import media_type, read_bytes, read_document
from facet_vision.service.http.calls import Call
from facet_vision.service.http.deps import guarded, needs
from facet_vision.service.http.openapi.bodies import limited, schema_of
from facet_vision.service.http.parameters import TaskName, known_parameters
from facet_vision.service.predictor.bulk import aside, label_count
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.settings import Settings

from .encoded import SCHEMA, images_of
from .schemas import HuggingFaceProblem, ScoredLabel

router = APIRouter(
    tags=["predict"],
    responses={"4XX": {"model": HuggingFaceProblem}, "5XX": {"model": HuggingFaceProblem}},
    dependencies=[Depends(known_parameters)],
)


class Parameters(BaseModel):
    """How to answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    top_k: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None, description="How many labels to answer with; 5 by default."
    )
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = Field(
        default=None,
        description="What makes scores of the logits; by default what the task says itself.",
    )


class ClassificationRequest(BaseModel):
    """An image, and how to answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: Annotated[StrictStr, WithJsonSchema(SCHEMA)] = Field(
        description="The image, as base64 or as a data URI."
    )
    parameters: Parameters = Field(default_factory=Parameters)


_BINARY = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "An image as the body, or in a JSON document with parameters.",
        "content": {
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
            "application/json": {"schema": schema_of(ClassificationRequest)},
        },
        **limited("max_image_bytes", "max_image_pixels", "max_request_bytes"),
    }
}


@router.post(
    "/hf/{task}",
    summary="Classify an image",
    response_model=list[ScoredLabel],
    openapi_extra=_BODY,
)
@guarded(needs("infer"))
async def classify(task: TaskName, request: Request) -> Response:
    """Classify an image by a task, in the form of Hugging Face's inference API."""
    call = Call.of(request)
    await call.check(call.asking([task], 1))
    image, parameters = await _read(request, call.context.settings)
    options = {"top_k": parameters.top_k} if parameters.top_k else {}
    wanted = call.asking([task], 1, activation=parameters.function_to_apply, **options)
    _, (prediction,) = await call.answer(wanted, [image])

    def document() -> bytes:
        return to_json([{"label": label, "score": score} for label, score in prediction.best])

    content = await aside(label_count([prediction]), document)
    return Response(content, media_type="application/json")


async def _read(request: Request, settings: Settings) -> tuple[ImageBytes, Parameters]:
    kind = media_type(request)
    if kind == "application/json":
        document = await read_document(request, settings, ClassificationRequest)
        (image,) = await images_of([document.inputs], settings, "inputs")
        return image, document.parameters
    if not kind.startswith("image/") and kind not in ("", "application/octet-stream"):
        raise UnsupportedMedia(
            "Content-Type: expected image/*, application/octet-stream or application/json, found "
            f"{kind!r}"
        )
    limit, idle_seconds = settings.max_image_bytes, settings.idle_body_seconds
    return ImageBytes(await read_bytes(request, limit, "an image", idle_seconds)), Parameters()
