"""Embeddings in the OpenAI form: the pooled feature of images under a task's prompts."""

from base64 import b64encode
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import to_json

from facet_vision.service.errors import InvalidBody
from facet_vision.service.http.bodies import read_document
from facet_vision.service.http.calls import Call
from facet_vision.service.http.deps import guarded, needs
from facet_vision.service.http.openapi.bodies import limited, schema_of
from facet_vision.service.http.parameters import known_parameters
from facet_vision.service.predictor.bulk import aside, label_count
from facet_vision.service.predictor.protocol import Prediction

from .encoded import SCHEMA, images_of
from .schemas import EmbeddingList, OpenAIProblem

router = APIRouter(
    tags=["embeddings"],
    responses={"4XX": {"model": OpenAIProblem}, "5XX": {"model": OpenAIProblem}},
    dependencies=[Depends(known_parameters)],
)


_ONE_OR_MORE = {"anyOf": [SCHEMA, {"type": "array", "items": SCHEMA, "minItems": 1}]}


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class EmbeddingsRequest(BaseModel):
    """What to embed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: StrictStr = Field(
        description="A task, under whose prompts the images are seen, or backbone for none.",
        examples=["digits"],
    )
    input: Annotated[list[StrictStr], BeforeValidator(_listed), WithJsonSchema(_ONE_OR_MORE)] = (
        Field(
            min_length=1,
            description="One image or a list of them, each as base64 or as a data URI.",
        )
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or the base64 of float32 numbers, little end first."
    )
    dimensions: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None,
        description="So many numbers from the front of the feature, scaled to length one. Without "
        "it the feature is as heads read it, at its own length.",
    )
    user: StrictStr | None = Field(
        None, description="Taken because clients send it; the answer does not depend on it."
    )


_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema_of(EmbeddingsRequest)}},
        **limited("max_images", "max_image_bytes", "max_image_pixels", "max_request_bytes"),
    }
}


@router.post(
    "/v1/embeddings",
    summary="Embed images",
    response_model=EmbeddingList,
    openapi_extra=_BODY,
)
@guarded(needs("infer"))
async def embed(request: Request) -> Response:
    """Return the pooled feature of each image, in the form of OpenAI's API.

    Rows for features share batches with rows for labels.
    """
    call = Call.of(request)
    await call.check(call.asking([], 1, output="features"))
    wanted = await read_document(request, call.context.settings, EmbeddingsRequest)
    images = await images_of(wanted.input, call.context.settings, "input")
    asked = call.asking([wanted.model], len(images), output="features")
    _, predictions = await call.answer(asked, images)

    def document() -> bytes:
        return to_json(_document(wanted, predictions))

    content = await aside(label_count(predictions), document)
    return Response(content, media_type="application/json")


def _document(wanted: EmbeddingsRequest, predictions: list[Prediction]) -> dict[str, Any]:
    first = predictions[0]
    usage = len(predictions)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _embedding(wanted, prediction)}
            for index, prediction in enumerate(predictions)
        ],
        "model": first.task,
        "version": first.version,
        "usage": {"prompt_tokens": usage, "total_tokens": usage},
    }


def _embedding(wanted: EmbeddingsRequest, prediction: Prediction) -> str | list[float]:
    assert prediction.numbers is not None, "a call for features gets them"
    feature = _shortened(prediction.numbers, wanted.dimensions)
    if wanted.encoding_format == "base64":
        return b64encode(feature.astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = feature.tolist()
    return numbers


def _shortened(feature: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """Return the first numbers at length one; all of them as they are if `dimensions` is None."""
    if dimensions is None:
        return feature
    if dimensions > len(feature):
        raise InvalidBody(f"dimensions: expected at most {len(feature)}, found {dimensions}")
    part = feature[:dimensions]
    # In double precision, in which no square of a float32 number overflows.
    length = np.linalg.norm(part.astype(np.float64))
    return (part / length).astype(np.float32) if length else part
