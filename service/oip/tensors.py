"""Tensors of the Open Inference Protocol: their types, and their two forms, bytes and JSON.

Bytes are little endian and row-major, without padding; an element of type BYTES is its length (four
bytes) and as many bytes.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facet_vision.service.errors import BadRequest

Array = NDArray[Any]

BYTES = "BYTES"

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(code)
    for name, code in {
        "BOOL": "?",
        "UINT8": "u1",
        "UINT16": "<u2",
        "UINT32": "<u4",
        "UINT64": "<u8",
        "INT8": "i1",
        "INT16": "<i2",
        "INT32": "<i4",
        "INT64": "<i8",
        "FP16": "<f2",
        "FP32": "<f4",
        "FP64": "<f8",
    }.items()
}
"""Types of fixed size that numpy has; BF16 and BYTES are the others."""

DATATYPES = (*DTYPES, "BF16", BYTES)

MAX_DIMENSIONS = 8
MAX_DIMENSION = 2**31 - 1

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Spec:
    """What a request says of a tensor before its elements.

    Attributes:
        name: the tensor's.
        datatype: one of `DATATYPES`.
        shape: dimensions, that of the batch first.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.datatype not in DATATYPES:
            raise BadRequest(
                f"input {self.name!r}: expected a datatype of the protocol such as FP32, found "
                f"{self.datatype[:32]!r}"
            )
        if len(self.shape) > MAX_DIMENSIONS or not all(
            0 <= length <= MAX_DIMENSION for length in self.shape
        ):
            raise BadRequest(
                f"input {self.name!r}: expected a shape of at most {MAX_DIMENSIONS} dimensions "
                f"from 0 to {MAX_DIMENSION}, found {len(self.shape)} or others"
            )

    @property
    def elements(self) -> int:
        """The number of elements that the shape says."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Tensor:
    """A tensor that has arrived.

    Attributes:
        spec: its name, datatype and shape.
        values: numbers of that shape, or for BYTES the elements one after another.
    """

    spec: Spec
    values: Array | Sequence[bytes]


def of_bytes(spec: Spec, data: memoryview) -> Tensor:
    """Read a tensor from its bytes, which are not copied.

    Raises:
        BadRequest: there are more or fewer than the shape says, or the type cannot be read here.
    """
    if spec.datatype == BYTES:
        return Tensor(spec, _strings(spec, data))
    if (dtype := DTYPES.get(spec.datatype)) is None:
        raise BadRequest(
            f"input {spec.name!r}: expected FP32, FP16, UINT8 or BYTES, found {spec.datatype}"
        )
    # Compared as exact integers, before anything of the claimed size is made.
    expected = spec.elements * dtype.itemsize
    if len(data) != expected:
        raise BadRequest(
            f"input {spec.name!r}: expected {expected} bytes for its shape, found {len(data)}"
        )
    return Tensor(spec, np.frombuffer(data, dtype).reshape(spec.shape))


def _strings(spec: Spec, data: memoryview) -> list[bytes]:
    """Split the elements of type BYTES."""
    elements: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + _LENGTH.size
        length = _LENGTH.unpack_from(data, position)[0] if start <= len(data) else len(data)
        if start + length > len(data) or len(elements) == spec.elements:
            break
        elements.append(bytes(data[start : start + length]))
        position = start + length
    if position != len(data) or len(elements) != spec.elements:
        raise BadRequest(
            f"input {spec.name!r}: expected {spec.elements} elements, each after its length in "
            f"four bytes, and no more, found {len(elements)} in {len(data)} bytes"
        )
    return elements


def of_json(spec: Spec, data: object) -> Tensor:
    """Read a tensor from JSON: its elements, flat or nested as the shape is.

    Raises:
        BadRequest: they are of another number or type.
    """
    if spec.datatype in ("FP16", "BF16"):
        raise BadRequest(
            f"input {spec.name!r}: expected {spec.datatype} as bytes, which JSON has no numbers "
            "for, found it in JSON"
        )
    flat = _flat(spec, data)
    if spec.datatype == BYTES:
        if not all(isinstance(element, str) for element in flat):
            raise BadRequest(f"input {spec.name!r}: expected strings as BYTES, found others")
        return Tensor(spec, [element.encode("utf-8", "surrogatepass") for element in flat])
    dtype = DTYPES[spec.datatype]
    numbers = (bool,) if spec.datatype == "BOOL" else (int, float) if dtype.kind == "f" else (int,)
    if not all(type(element) in numbers for element in flat):
        raise BadRequest(f"input {spec.name!r}: expected numbers of type {spec.datatype}")
    try:
        return Tensor(spec, np.array(flat, dtype).reshape(spec.shape))
    except (OverflowError, ValueError):
        raise BadRequest(
            f"input {spec.name!r}: expected numbers in the range of {spec.datatype}, found others"
        ) from None


def _flat(spec: Spec, data: object) -> list[Any]:
    """Return the elements of a list that is flat, or nested exactly as the shape."""
    if not isinstance(data, list):
        raise BadRequest(f"input {spec.name!r}: expected a list as its data, found another value")
    if len(data) == spec.elements and not any(isinstance(element, list) for element in data):
        return data
    level = data
    for depth, length in enumerate(spec.shape):
        last = depth == len(spec.shape) - 1
        if depth == 0:
            fits = len(level) == length
        else:
            fits = all(isinstance(part, list) and len(part) == length for part in level)
            level = [element for part in level for element in part] if fits else level
        if not fits or (last and any(isinstance(element, list) for element in level)):
            raise BadRequest(
                f"input {spec.name!r}: expected {spec.elements} elements, flat or nested as its "
                "shape, found others"
            )
    return level


def bytes_of(values: Array | Sequence[bytes]) -> bytes:
    """Write a tensor's elements as bytes.

    Args:
        values: numbers, or the elements of type BYTES.
    """
    if isinstance(values, np.ndarray):
        return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return b"".join(_LENGTH.pack(len(element)) + element for element in values)


def list_of(values: Array | Sequence[bytes]) -> list[Any]:
    """Write a tensor's elements as a flat list for JSON."""
    if isinstance(values, np.ndarray):
        return values.ravel().tolist()
    return [element.decode("utf-8", "replace") for element in values]
