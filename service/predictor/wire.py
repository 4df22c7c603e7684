"""Messages between HTTP workers and the engine's process, as frames in a byte stream.

A frame is a head (bytes of payload, kind, number of the request) and its payload: JSON, or for
images and features numbers as they lie in memory. Both ends are processes of one server on one
machine and run the same code.
"""

import asyncio
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from enum import IntEnum
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from facet_vision.backbone import Pixels
from facet_vision.service import errors
from facet_vision.service.telemetry.request_log import current
from facet_vision.service.telemetry.traces import Trace, current_span

from .protocol import Decision, Prediction, PredictRequest

HEAD = struct.Struct("<IBI")
LENGTH = struct.Struct("<I")

_TYPES: tuple[Any, ...] = (np.dtype(np.uint8), np.dtype(np.float32))
"""Types of pixels; a frame names each by its place here."""

SHORT_BODY_BYTES = 256 * 1024
"""Longest body that is read even if its request is refused, so that the connection stays open."""


def is_short(length: int | None) -> bool:
    """Return whether a body of this announced length is read even if its request is refused."""
    return length is not None and length <= SHORT_BODY_BYTES


class Kind(IntEnum):
    """What a frame says; each is sent by the end that is named first."""

    HELLO = 0  # engine: how images are to be preprocessed
    PREDICT = 1  # HTTP worker: a predict request
    CHECK = 2  # HTTP worker: would this request be admitted?
    ADMITTED = 3  # engine: the request's images may be sent
    IMAGES = 4  # HTTP worker: the images of a request
    ANSWERED = 5  # engine: the predictions, or that the request would be admitted
    FAILED = 6  # engine: an exception instead
    CANCEL = 7  # HTTP worker: the answer is not needed any more
    COUNT = 8  # engine: what has been counted? HTTP worker: this


class Channel(asyncio.Protocol):
    """One end of a connection.

    Args:
        received: called with every frame: kind, number, payload.
        lost: called when the connection has ended.
        made: called when it has begun.
    """

    def __init__(
        self,
        received: Callable[[Kind, int, bytes], None],
        lost: Callable[[], None],
        made: Callable[[], None] = lambda: None,
    ) -> None:
        self._received = received
        self._lost = lost
        self._made = made
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport, and report the connection."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._made()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (every reason is handled alike)
        """Report the end of the connection."""
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Report the frames that are complete; the rest waits for more data."""
        buffer = self._buffer
        buffer += data
        position = 0
        while len(buffer) - position >= HEAD.size:
            size, kind, number = HEAD.unpack_from(buffer, position)
            end = position + HEAD.size + size
            if len(buffer) < end:
                break
            self._received(Kind(kind), number, bytes(buffer[position + HEAD.size : end]))
            position = end
        del buffer[:position]

    @property
    def open(self) -> bool:
        """Whether the other end is connected."""
        return self._transport is not None

    def send(self, kind: Kind, number: int, *payload: bytes) -> None:
        """Send a frame; nothing happens if the connection has ended."""
        if self._transport is not None:
            self._transport.writelines([HEAD.pack(sum(map(len, payload)), kind, number), *payload])

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def request_bytes(request: PredictRequest, now: float) -> bytes:
    """Encode a request, its id and its place in a trace.

    Its deadline travels as the seconds left, since two clocks may differ.
    """
    left = request.deadline - now
    fields = [
        *(request.tasks, request.images, left, request.top_k, request.priority, request.caller),
        *(request.output, request.activation, request.version, request.example_of),
        request.abstain,
        *(current.get(), current_span.get().trace),
    ]
    return to_json(fields, inf_nan_mode="constants")


def request_of(payload: bytes, now: float) -> tuple[PredictRequest, str, Trace | None]:
    """Decode a request, its id and its place in a trace."""
    tasks, images, left, *options, identity, trace = json.loads(payload)
    request = PredictRequest(tasks, images, now + left, *options)
    return request, identity, Trace(*trace) if trace else None


def images_parts(images: Sequence[Pixels]) -> Iterator[bytes]:
    """Encode images: first the type of each in a byte, then their pixels one after another."""
    yield bytes(_TYPES.index(image.dtype) for image in images)
    for image in images:
        yield image.tobytes()


def images_of(payload: bytes, count: int, size: tuple[int, int, int]) -> list[Pixels]:
    """Decode `count` images of this size; they are views of the payload."""
    images: list[Pixels] = []
    offset = count
    numbers = math.prod(size)
    for code in payload[:count]:
        image: Pixels = np.frombuffer(payload, _TYPES[code], numbers, offset).reshape(size)
        images.append(image)
        offset += image.nbytes
    return images


def predictions_bytes(predictions: list[Prediction]) -> bytes:
    """Encode predictions: the length of the JSON of all, this JSON, then the numbers of each."""
    fields = [
        (
            *(each.task, each.version, each.field, each.best),
            *(each.queue_seconds, each.forward_seconds),
            each.decision and astuple(each.decision),
        )
        for each in predictions
    ]
    document = to_json(fields, inf_nan_mode="constants")
    numbers = [each.numbers.tobytes() for each in predictions if each.numbers is not None]
    return b"".join((LENGTH.pack(len(document)), document, *numbers))


def predictions_of(payload: bytes) -> list[Prediction]:
    """Decode predictions; either all have as many numbers, views of the payload, or none has."""
    end = LENGTH.size + LENGTH.unpack_from(payload)[0]
    documents = json.loads(payload[LENGTH.size : end])
    if end == len(payload):
        return [_prediction(None, fields) for fields in documents]
    numbers = np.frombuffer(payload[end:], np.float32).reshape(len(documents), -1)
    return [_prediction(row, fields) for fields, row in zip(documents, numbers, strict=True)]


def _prediction(numbers: NDArray[np.float32] | None, fields: list[Any]) -> Prediction:
    task, version, field, best, queue, forward, decision = fields
    decided = decision and Decision(*decision)
    return Prediction(task, version, field, best, queue, forward, numbers, decided)


def error_bytes(error: Exception) -> bytes:
    """Encode one of the service's exceptions.

    Of any other only that it happened: its text belongs into the log.
    """
    if type(error).__name__ not in _ERRORS:
        return to_json([None, "", {}])
    # What an exception of ours has beside its sentence are the arguments that it was made with.
    fields = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    return to_json([type(error).__name__, str(error), fields])


def error_of(payload: bytes) -> Exception:
    """Decode an exception."""
    name, sentence, fields = json.loads(payload)
    if name is None:
        return RuntimeError("the engine's process failed; its log has the cause")
    return _ERRORS[name](sentence, **fields)


_ERRORS: dict[str, Callable[..., errors.ServiceError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ServiceError)
}
