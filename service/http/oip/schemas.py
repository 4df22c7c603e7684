"""What the calls of the Open Inference Protocol take, as OpenAPI shows it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from facet_vision.service.http.openapi.bodies import limited, schema_of
from facet_vision.service.oip.inference import LIVE

from .answers import ModelInfer


class IndexRequest(BaseModel):
    """Which models are to be listed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ready: bool = False


class LoadRequest(BaseModel):
    """A version to be made live, or a file to be uploaded first."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parameters: dict[str, str] = Field(
        default_factory=dict,
        description="config: JSON, which may name a version. file:VERSION/NAME: the base64 of a "
        "task file, beside a config of {}.",
        json_schema_extra={
            "properties": {"config": {"type": "string", "contentMediaType": "application/json"}},
            "patternProperties": {"^file:": {"type": "string", "contentEncoding": "base64"}},
            "additionalProperties": False,
        },
    )


class UnloadParameters(BaseModel):
    """What else is to be unloaded: nothing depends on a task."""

    model_config = ConfigDict(extra="forbid", strict=True)

    unload_dependents: bool = False


class UnloadRequest(BaseModel):
    """How to unload."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parameters: UnloadParameters = Field(default_factory=UnloadParameters)


MAX_INDEX_BYTES = 64 * 1024

JSON_LENGTH_HEADER = "Inference-Header-Content-Length"

VERSION_PARAMETER = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": f"Number of the live version, or {LIVE!r}.",
    "schema": {"type": "string", "pattern": f"^([1-9][0-9]{{0,8}}|{LIVE})$"},
}

_PARAMETER = {"type": ["string", "number", "boolean"]}
_NAME = {"type": "string", "maxLength": 256}
_INPUT = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "additionalProperties": False,
    "properties": {
        "name": {"enum": ["image", "pixel_values"]},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 32},
        "datatype": {"enum": ["BYTES", "FP32", "FP16"]},
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "binary_data_size": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Bytes of the tensor behind the JSON, in place of `data`.",
                }
            },
        },
        "data": {"type": "array", "items": {}, "description": "The elements, flat or nested."},
    },
}
_OUTPUT = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"enum": ["probabilities", "scores", "label", "distance"]},
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "binary_data": {"type": "boolean"},
                "classification": {"type": "integer", "minimum": 0, "maximum": 1000},
            },
        },
    },
}
_ABSTAIN = (
    "Whether the task may answer with no label: the output `label` is then empty text, and there "
    "is an output `distance`. A task whose file states no threshold is refused with 409."
)
_INFER: dict[str, Any] = {
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {
        "id": _NAME,
        "parameters": {
            "type": "object",
            "properties": {"abstain": {"type": ["boolean", "string"], "description": _ABSTAIN}},
            "additionalProperties": _PARAMETER,
        },
        "inputs": {"type": "array", "items": _INPUT, "minItems": 1, "maxItems": 1},
        "outputs": {"type": "array", "items": _OUTPUT, "maxItems": 16},
    },
}
_BINARY = {"type": "string", "format": "binary"}

INFER = {
    "parameters": [
        {
            "name": JSON_LENGTH_HEADER,
            "in": "header",
            "description": "Bytes of the body that are JSON; those of tensors follow. 0: the body "
            "is one encoded image. Without it all is JSON.",
            "schema": {"type": "integer", "minimum": 0},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "Tensors: `image` (BYTES, encoded images) or `pixel_values` (FP32 or FP16, "
        "batch × 3 × height × width).",
        "content": {
            "application/json": {"schema": _INFER},
            "application/octet-stream": {"schema": _BINARY},
        },
        **limited("max_request_bytes", "max_images", "max_image_pixels"),
    },
}
INFER_VERSION = INFER | {"parameters": [VERSION_PARAMETER, *INFER["parameters"]]}
INFERRED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ModelInfer,
        "description": "The outputs: JSON, and behind it the bytes of tensors that are sent so.",
        "content": {"application/octet-stream": {"schema": _BINARY}},
        "headers": {
            JSON_LENGTH_HEADER: {
                "description": "Bytes of the answer that are JSON, where not all are.",
                "schema": {"type": "integer", "minimum": 0},
            },
            "Content-Encoding": {
                "description": "gzip or deflate, where the client takes it.",
                "schema": {"type": "string"},
            },
        },
    }
}


def _body(model: type[BaseModel], **limits: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(model)}}
    return {"requestBody": {"required": False, "content": content, **limits}}


INDEX = _body(IndexRequest, **limited(body_bytes=MAX_INDEX_BYTES))
LOAD = _body(LoadRequest, **limited("max_task_bytes"))
UNLOAD = _body(UnloadRequest, **limited(body_bytes=MAX_INDEX_BYTES))
