"""What HTTP workers and the engine's process say to each other, and how it lies in a byte stream.

A frame is a head (bytes of payload, kind, number of the question) and its payload: JSON, but for images, which are
their pixels one after another. Both ends are processes of one server on one machine, made from the same code.
"""

import asyncio
import json
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, cast

from pydantic_core import to_json

from facet_vision.service import errors

from .protocol import Prediction, PredictRequest

HEAD = struct.Struct("<IBI")


def is_short(length: int | None) -> bool:
    """Whether a body, by the bytes that it is said to have, is rather read than made a reason to end the connection."""
    return length is not None and length <= SHORT_BODY


class Kind(IntEnum):
    """What a frame says."""

    HELLO = 0  # engine: how images are to be preprocessed
    ASK = 1  # HTTP worker: a question
    CHECK = 2  # HTTP worker: would this question be let in?
    ADMITTED = 3  # engine: its images may come
    IMAGES = 4  # HTTP worker: the images of a question
    ANSWERED = 5  # engine: the predictions, or that it would be let in
    FAILED = 6  # engine: an exception instead
    LEAVE = 7  # HTTP worker: nobody wants the answer any more
    COUNT = 8  # engine: what has been counted? HTTP worker: this


class Channel(asyncio.Protocol):
    """One end of a connection.

    Args:
        received: told of every frame: kind, number, payload.
        lost: told when the connection has ended.
        made: told when it has begun.
    """

    def __init__(
        self,
        received: Callable[[Kind, int, bytes], None],
        lost: Callable[[], None],
        made: Callable[[], None] = lambda: None,
    ) -> None:
        self._received, self._lost, self._made = received, lost, made
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and tell it."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._made()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (the reason makes no difference)
        """Tell it."""
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Take the frames that are complete."""
        buffer = self._buffer
        buffer += data
        place = 0
        while len(buffer) - place >= HEAD.size:
            size, kind, number = HEAD.unpack_from(buffer, place)
            end = place + HEAD.size + size
            if len(buffer) < end:
                break
            self._received(Kind(kind), number, bytes(buffer[place + HEAD.size : end]))
            place = end
        del buffer[:place]

    @property
    def open(self) -> bool:
        """Whether the other end is there."""
        return self._transport is not None

    def send(self, kind: Kind, number: int, *payload: bytes) -> None:
        """Send a frame; nothing happens if the other end has gone."""
        if self._transport is not None:
            self._transport.writelines([HEAD.pack(sum(map(len, payload)), kind, number), *payload])

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


def request_bytes(question: PredictRequest, now: float) -> bytes:
    """A question; its deadline travels as the seconds left, since two clocks need not agree."""
    return to_json(
        [
            question.tasks,
            question.images,
            question.deadline - now,
            question.top_k,
            question.priority,
        ],
        inf_nan_mode="constants",
    )


def request_of(payload: bytes, now: float) -> PredictRequest:
    """The question of such bytes."""
    tasks, images, left, top_k, priority = json.loads(payload)
    return PredictRequest(tasks, images, now + left, top_k, priority)


def predictions_bytes(predictions: list[Prediction]) -> bytes:
    """Rankings."""
    return to_json(
        [
            (
                each.task,
                each.version,
                each.field,
                each.best,
                each.queue_seconds,
                each.forward_seconds,
            )
            for each in predictions
        ],
        inf_nan_mode="constants",
    )


def predictions_of(payload: bytes) -> list[Prediction]:
    """The predictions of such bytes."""
    return [Prediction(*fields) for fields in json.loads(payload)]


def error_bytes(error: Exception) -> bytes:
    """One of the service's exceptions; of any other only that it happened, since its text belongs into the log."""
    if type(error).__name__ not in _ERRORS:
        return to_json([None, "", None])
    return to_json([type(error).__name__, str(error), getattr(error, "retry_after", None)])


def error_of(payload: bytes) -> Exception:
    """The exception of such bytes."""
    name, sentence, retry_after = json.loads(payload)
    if name is None:
        return RuntimeError("the engine's process failed; its log has the cause")
    arguments: tuple[Any, ...] = (sentence,) if retry_after is None else (sentence, retry_after)
    return _ERRORS[name](*arguments)


_ERRORS: dict[str, type[errors.ServiceError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ServiceError)
}


SHORT_BODY = 256 * 1024
"""Bytes of a body that are rather read than made a reason to end the connection."""
