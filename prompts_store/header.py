"""The header of a safetensors file, checked before any tensor is read.

Layout: 8 bytes little-endian header length, that many bytes of JSON, then the tensors' bytes. The
JSON maps tensor names to dtype, shape and data_offsets, and "__metadata__" to text values.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidTensors, NotATaskFile, TaskFileError, shown

MAX_FILE_BYTES = 256 * 2**20
MAX_HEADER_BYTES = 2**20
_LENGTH_BYTES = 8
MAX_START_BYTES = _LENGTH_BYTES + MAX_HEADER_BYTES
"""Length of a file's beginning that holds any acceptable header."""
MAX_DIGITS = 20
"""Characters of a whole number in JSON: enough for 64 bits and a sign."""
METADATA_KEY = "facet"
CHECKPOINT_KEY = "facet-checkpoint"
"""Metadata key of a training checkpoint.

A method that changes the backbone writes such a file in place of a task file.
"""
DTYPES: Mapping[str, int] = {"F16": 2, "BF16": 2, "F32": 4, "U8": 1}
"""Bytes per element of a task file's storage dtypes, by safetensors' names."""

_MAGIC = {
    b"PK\x03\x04": "a zip archive, as torch.save and numpy.savez write",
    b"\x80\x02": "a pickle, as older torch.save writes",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a numpy array file",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
}


@dataclass(frozen=True)
class TensorSpec:
    """The dtype (safetensors' name) and shape of one tensor, as the header declares them."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that the tensor takes in the file."""
        return DTYPES[self.dtype] * math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """The manifest's JSON text and the tensors that the file declares."""

    manifest: str
    tensors: dict[str, TensorSpec]


def read_header(data: bytes, size: int | None = None) -> Header:
    """Parse and check the header of a file; raise NotATaskFile or InvalidTensors.

    Args:
        data: the whole file, or at least its first `header_end` bytes.
        size: bytes of the whole file; by default `data` is all of it.
    """
    size = len(data) if size is None else size
    end = header_end(data, size)
    fields = _parse(data[_LENGTH_BYTES:end])
    metadata = fields.pop("__metadata__", None)
    # Before the size: checkpoints are large, and that is not what is wrong with them.
    _refuse_checkpoint(metadata)
    _check_size(size)
    manifest = _manifest_text(metadata)
    offsets: dict[str, tuple[int, int]] = {}
    tensors: dict[str, TensorSpec] = {}
    for name, entry in fields.items():
        tensors[name], offsets[name] = _tensor(name, entry)
    _check_offsets(offsets, size - end)
    return Header(manifest, tensors)


def _check_size(size: int) -> None:
    """Raise NotATaskFile when a file of `size` bytes is larger than any task file may be."""
    if size > MAX_FILE_BYTES:
        raise NotATaskFile(f"file size: expected at most {MAX_FILE_BYTES} bytes, found {size}")


def load_json(text: str | bytes, what: str, error: type[TaskFileError]) -> Any:
    """Parse strict JSON: no duplicate keys, no NaN or Infinity, bounded depth and numbers.

    `what` begins the sentence of `error`.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_bounded
        )
    except RecursionError:
        raise error(f"{what}: expected flat JSON, found JSON nested too deeply") from None
    except ValueError as fault:  # JSONDecodeError and UnicodeDecodeError among them
        raise error(f"{what}: expected valid JSON, found a fault: {fault}") from None


def header_end(start: bytes, size: int) -> int:
    """Return where the tensors begin in a file of `size` bytes that begins with `start`.

    Raises:
        NotATaskFile: the header's length is impossible.
    """
    if min(len(start), size) < _LENGTH_BYTES:
        raise NotATaskFile(
            f"file size: expected at least {_LENGTH_BYTES} bytes, found {min(len(start), size)}"
        )
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise NotATaskFile(
            _foreign(start)
            or f"header length: expected at most {MAX_HEADER_BYTES} bytes, found {length}"
        )
    if length > size - _LENGTH_BYTES:
        raise NotATaskFile(
            f"header length: expected at most the {size - _LENGTH_BYTES} bytes that follow, "
            f"found {length}"
        )
    return _LENGTH_BYTES + length


def _foreign(data: bytes) -> str | None:
    """Name the format of a file that is known not to be safetensors."""
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            return f"file format: expected safetensors, found {kind}; such files are never loaded"
    return None


def _parse(header: bytes) -> dict[str, Any]:
    fields = load_json(header, "header", NotATaskFile)
    if not isinstance(fields, dict):
        raise NotATaskFile(f"header: expected a JSON object, found {type(fields).__name__}")
    return fields


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the key {shown(name)} stands there twice")
        fields[name] = value
    return fields


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _bounded(text: str) -> int:
    # Python computes with integers of any length, but does not write those of thousands of digits
    # into a sentence; and every product of two of them takes its time.
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def _refuse_checkpoint(metadata: object) -> None:
    if isinstance(metadata, dict) and CHECKPOINT_KEY in metadata:
        fields = load_json(str(metadata[CHECKPOINT_KEY]), "checkpoint", NotATaskFile)
        method = fields.get("method") if isinstance(fields, dict) else None
        raise NotATaskFile(
            f"file: expected a task file, found a training checkpoint of method {shown(method)}, "
            "which computes with a network of its own, so it cannot be served from the shared "
            "backbone"
        )


def _manifest_text(metadata: object) -> str:
    if not isinstance(metadata, dict) or not isinstance(metadata.get(METADATA_KEY), str):
        raise NotATaskFile(
            f"metadata: expected a manifest under the key '{METADATA_KEY}', found none"
        )
    if len(metadata) != 1:
        others = sorted(key for key in metadata if key != METADATA_KEY)
        raise NotATaskFile(
            f"metadata: expected the key '{METADATA_KEY}' alone, found {shown(others[0])} as well"
        )
    return metadata[METADATA_KEY]


def _tensor(name: str, entry: object) -> tuple[TensorSpec, tuple[int, int]]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise NotATaskFile(
            f"header entry {shown(name)}: expected dtype, shape and data_offsets, "
            f"found {shown(entry)}"
        )
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise InvalidTensors(
            f"dtype of {shown(name)}: expected one of {', '.join(DTYPES)}, found {shown(dtype)}"
        )
    if not _naturals(shape) or len(shape) > 2:
        raise InvalidTensors(
            f"shape of {shown(name)}: expected one or two sizes, found {shown(shape)}"
        )
    if not _naturals(offsets) or len(offsets) != 2:
        raise NotATaskFile(
            f"data_offsets of {shown(name)}: expected two positions, found {shown(offsets)}"
        )
    spec = TensorSpec(dtype, tuple(shape))
    if offsets[1] - offsets[0] != spec.nbytes:
        raise NotATaskFile(
            f"data_offsets of {shown(name)}: expected {spec.nbytes} bytes for shape "
            f"{shown(shape)}, found {offsets[1] - offsets[0]}"
        )
    return spec, (offsets[0], offsets[1])


def _naturals(value: object) -> bool:
    # `type is int` because JSON's true and false are ints to Python
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_offsets(offsets: Mapping[str, tuple[int, int]], payload: int) -> None:
    """Check that the tensors cover the `payload` bytes without gaps and without overlaps."""
    position = 0
    for name, (begin, end) in sorted(offsets.items(), key=lambda item: item[1]):
        if begin != position:
            raise NotATaskFile(
                f"data_offsets of {shown(name)}: expected to begin at {position}, found {begin}"
            )
        position = end
    if position != payload:
        raise NotATaskFile(
            f"tensor bytes: expected {position} as the header declares, found {payload}"
        )
