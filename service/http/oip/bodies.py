"""Bodies of inference calls: JSON, and behind it the bytes of those tensors that are sent as such.

The header `Inference-Header-Content-Length` says how many bytes of the body are JSON. Without it
all are; where it is 0, the body is the one encoded image.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from facet_vision.service.errors import BadRequest
from facet_vision.service.oip.inference import (
    IMAGE,
    InferRequest,
    OutputTensor,
    Parameter,
    RequestedOutput,
)
from facet_vision.service.oip.tensors import (
    BYTES,
    Spec,
    Tensor,
    bytes_of,
    list_of,
    of_bytes,
    of_json,
)

JSON_LENGTH = "inference-header-content-length"

MAX_TENSORS = 16
MAX_NAME = 256

_NO_DATA = object()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class _InputParameters(_Strict):
    binary_data_size: int | None = Field(None, ge=0)


class _Input(_Strict):
    name: str = Field(max_length=MAX_NAME)
    shape: list[int] = Field(max_length=32)
    datatype: str = Field(max_length=32)
    parameters: _InputParameters = _InputParameters(binary_data_size=None)
    data: Any = _NO_DATA


class _OutputParameters(_Strict):
    binary_data: bool | None = None
    classification: int = Field(0, ge=0)


class _Output(_Strict):
    name: str = Field(max_length=MAX_NAME)
    parameters: _OutputParameters = _OutputParameters(binary_data=None, classification=0)


class _Document(_Strict):
    id: str = Field("", max_length=MAX_NAME)
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    inputs: list[_Input] = Field(min_length=1, max_length=MAX_TENSORS)
    outputs: list[_Output] = Field(default_factory=list, max_length=MAX_TENSORS)


def read_request(
    body: memoryview, json_length: str | None, model: str, version: str
) -> InferRequest:
    """Read the body of an inference call; tensors that are sent as bytes are not copied.

    Args:
        body: the whole body.
        json_length: the header `Inference-Header-Content-Length`, if there is one.
        model, version: as in the path.

    Raises:
        BadRequest: it is not what the protocol says.
    """
    length = _json_length(json_length, len(body))
    if length == 0:
        image = Tensor(Spec(IMAGE, BYTES, (1,)), [bytes(body)])
        return InferRequest(model, version, [image], parameters={"binary_data_output": True})
    document = _document(body[:length])
    return InferRequest(
        model,
        version,
        _inputs(document.inputs, body[length:]),
        document.id,
        [
            RequestedOutput(each.name, each.parameters.classification, each.parameters.binary_data)
            for each in document.outputs
        ],
        document.parameters,
    )


def _json_length(header: str | None, size: int) -> int:
    if header is None:
        return size
    valid = header.isascii() and header.isdecimal() and len(header) < 20
    if not valid or int(header) > size:
        raise BadRequest(
            f"Inference-Header-Content-Length: expected at most the {size} bytes of the body, "
            f"found {header[:32]!r}"
        )
    return int(header)


def _document(text: memoryview) -> _Document:
    try:
        # Python's own numbers: NaN and infinity are none in JSON.
        return _Document.model_validate(from_json(bytes(text), allow_inf_nan=False))
    except ValidationError as error:
        raise refused(error) from None
    except ValueError as error:
        raise BadRequest(f"body: expected JSON, found: {str(error)[:200]}") from None


def refused(error: ValidationError) -> BadRequest:
    """Return the refusal of a document: the place of its first fault, and what is wrong there."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    return BadRequest(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}")


def _inputs(inputs: Sequence[_Input], rest: memoryview) -> list[Tensor]:
    tensors = []
    for each in inputs:
        spec = Spec(each.name, each.datatype, tuple(each.shape))
        size = each.parameters.binary_data_size
        if (size is None) == (each.data is _NO_DATA):
            raise BadRequest(
                f"input {each.name!r}: expected either data or parameters.binary_data_size, found "
                f"{'none of them' if size is None else 'both'}"
            )
        if size is None:
            tensors.append(of_json(spec, each.data))
            continue
        if size > len(rest):
            raise BadRequest(
                f"input {each.name!r}: expected {size} bytes behind the JSON, found {len(rest)}"
            )
        tensors.append(of_bytes(spec, rest[:size]))
        rest = rest[size:]
    if rest:
        raise BadRequest(
            f"body: expected no bytes behind those of its inputs, found {len(rest)} more"
        )
    return tensors


def response_parts(
    request: InferRequest, version: int, outputs: Sequence[OutputTensor]
) -> tuple[bytes, dict[str, str]]:
    """Write the response.

    Args:
        request: that is answered.
        version: that answered.
        outputs: its tensors.

    Returns:
        The body, and its headers.
    """
    by_default = request.parameters.get("binary_data_output") is True
    entries, parts = [], []
    for output in outputs:
        entry: dict[str, Any] = {
            "name": output.spec.name,
            "datatype": output.spec.datatype,
            "shape": output.spec.shape,
        }
        if by_default if output.binary is None else output.binary:
            parts.append(bytes_of(output.values))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = list_of(output.values)
        entries.append(entry)
    head: Mapping[str, Any] = {
        "model_name": request.model,
        "model_version": str(version),
        **({"id": request.id} if request.id else {}),
        "outputs": entries,
    }
    text = to_json(head)
    if not parts:
        return text, {"content-type": "application/json"}
    return b"".join((text, *parts)), {
        "content-type": "application/octet-stream",
        JSON_LENGTH: str(len(text)),
    }
