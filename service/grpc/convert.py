"""Between the protocol's messages and what `service.oip` knows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.json_format import ParseDict

from facet_vision.service.errors import BadRequest
from facet_vision.service.oip.inference import (
    InferRequest,
    OutputTensor,
    Parameter,
    RequestedOutput,
)
from facet_vision.service.oip.tensors import BYTES, DTYPES, Spec, Tensor, bytes_of, of_bytes

from .messages import POOL, message

ModelInferResponse = message("ModelInferResponse")

MAX_TENSORS = 16

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field in which the elements of a datatype are, unless they go as bytes."""


def infer_request(request: Any) -> InferRequest:
    """Read a ModelInferRequest.

    Raises:
        BadRequest: it is not what the protocol says.
    """
    if len(request.inputs) > MAX_TENSORS or len(request.outputs) > MAX_TENSORS:
        raise BadRequest(f"inputs: expected at most {MAX_TENSORS} tensors, found more")
    return InferRequest(
        request.model_name,
        request.model_version,
        _inputs(request),
        request.id,
        [_requested(output) for output in request.outputs],
        _parameters(request.parameters),
    )


def _inputs(request: Any) -> list[Tensor]:
    specs = [Spec(each.name, each.datatype, tuple(each.shape)) for each in request.inputs]
    raw = request.raw_input_contents
    for each in request.inputs:
        if each.parameters:
            raise BadRequest(
                f"input {each.name[:64]!r}: expected no parameters, since tensors arrive in the "
                "request only, found some"
            )
    if raw:
        if len(raw) != len(specs) or any(each.HasField("contents") for each in request.inputs):
            raise BadRequest(
                f"raw_input_contents: expected the bytes of all {len(specs)} inputs and no "
                f"contents beside them, found {len(raw)}"
            )
        return [of_bytes(spec, memoryview(data)) for spec, data in zip(specs, raw, strict=True)]
    return [
        _of_contents(spec, each.contents) for spec, each in zip(specs, request.inputs, strict=True)
    ]


def _of_contents(spec: Spec, contents: Any) -> Tensor:
    field = _CONTENTS.get(spec.datatype)
    if field is None:
        raise BadRequest(
            f"input {spec.name!r}: expected {spec.datatype} in raw_input_contents, found none"
        )
    elements = getattr(contents, field)
    if len(elements) != spec.elements:
        raise BadRequest(
            f"input {spec.name!r}: expected {spec.elements} elements in {field}, "
            f"found {len(elements)}"
        )
    if spec.datatype == BYTES:
        return Tensor(spec, list(elements))
    try:
        return Tensor(spec, np.array(elements, DTYPES[spec.datatype]).reshape(spec.shape))
    except OverflowError:
        raise BadRequest(
            f"input {spec.name!r}: expected numbers in the range of {spec.datatype}, found others"
        ) from None


def _requested(output: Any) -> RequestedOutput:
    parameters = _parameters(output.parameters)
    classes = parameters.pop("classification", 0)
    parameters.pop("binary_data", None)  # of REST; here all outputs are bytes
    if parameters or isinstance(classes, bool) or not isinstance(classes, int) or classes < 0:
        raise BadRequest(
            f"output {output.name[:64]!r}: expected no parameter but classification, a number"
        )
    return RequestedOutput(output.name, classes)


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for name, value in parameters.items():
        choice = value.WhichOneof("parameter_choice")
        if choice is None:
            raise BadRequest(f"parameters.{name[:64]}: expected a value, found none")
        found[name] = getattr(value, choice)
    return found


def infer_response(request: InferRequest, version: int, outputs: Sequence[OutputTensor]) -> Any:
    """Write a ModelInferResponse; all tensors are bytes.

    Args:
        request: that is answered.
        version: that answered.
        outputs: the tensors.
    """
    response = ModelInferResponse(
        model_name=request.model, model_version=str(version), id=request.id
    )
    for output in outputs:
        spec = output.spec
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        response.raw_output_contents.append(bytes_of(output.values))
    return response


def of_document(name: str, document: Mapping[str, Any]) -> Any:
    """Make the message of this name from a document of `service.oip`, whose names are its own."""
    return ParseDict(dict(document), message(name)(), descriptor_pool=POOL)


def load_parameters(parameters: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Read the parameters of a RepositoryModelLoadRequest.

    Raises:
        BadRequest: one is neither text nor bytes.
    """
    found: dict[str, str | bytes] = {}
    for name, value in parameters.items():
        choice = value.WhichOneof("parameter_choice")
        if choice not in ("string_param", "bytes_param"):
            raise BadRequest(f"parameters.{name[:64]}: expected text or bytes, found another value")
        found[name] = getattr(value, choice)
    return found
