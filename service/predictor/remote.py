"""Predictor of an HTTP worker: requests that the engine's process answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path

from pydantic import TypeAdapter

from facet_vision.backbone import Pixels, Preprocess
from facet_vision.service.errors import DeadlineExceeded, EngineGone, Overloaded
from facet_vision.service.telemetry.multiprocess import Counted

from .bulk import aside
from .pace import Pace
from .protocol import Prediction, PredictRequest
from .wire import (
    Channel,
    Kind,
    error_of,
    images_parts,
    is_short,
    predictions_of,
    request_bytes,
)

LABEL_BYTES = 30
"""About as many bytes a label with its number takes in a frame."""


class RemotePredictor:
    """Answers predict requests over a connection to the engine's process; see `Predictor`.

    Only the event loop uses it.

    Args:
        clock: seconds, monotonic; that of deadlines.
        pace: of requests that pass although others were refused.
        counts: returns what this process has counted, for the metrics.
        lost: called when the connection has ended.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        pace: Pace,
        counts: Callable[[], Counted],
        lost: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._pace = pace
        self._counts = counts
        self._on_lost = lost
        self._numbers = count(1)
        # By number: the reply that a request waits for.
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._channel = Channel(self._received, self._lost)
        self._hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def connect(self, path: Path) -> Preprocess:
        """Connect to the Unix socket of the engine's process.

        Returns:
            How images are to be preprocessed.
        """
        await asyncio.get_running_loop().create_unix_connection(lambda: self._channel, str(path))
        return TypeAdapter(Preprocess).validate_json(await self._hello)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    async def check(self, request: PredictRequest, body: int | None) -> None:
        """See `Predictor.check`; it asks the engine's process only if the body is a long one."""
        if is_short(body):
            return
        now = self._clock()
        left = max(0.0, request.deadline - now)
        try:
            async with asyncio.timeout(left), self._numbered() as number:
                await self.call(number, Kind.CHECK, request_bytes(request, now))
        except TimeoutError:
            raise DeadlineExceeded from None

    @asynccontextmanager
    async def admit(self, request: PredictRequest) -> "AsyncIterator[_RemoteAdmission]":
        """See `Predictor.admit`."""
        async with self._numbered() as number:
            try:
                await self.call(number, Kind.PREDICT, request_bytes(request, self._clock()))
            except Overloaded as error:
                self._remember(request, error)
                raise
            yield _RemoteAdmission(self, number)

    def refusal(self, task: str) -> Overloaded | None:
        """See `Predictor.refusal`; it knows what the engine's process has refused a moment ago."""
        return self._pace.refusal(task)

    def _remember(self, request: PredictRequest, error: Overloaded) -> None:
        """Note a refusal of one image for one task without options: see `Predictor.refusal`."""
        tasks = request.tasks or ()
        is_plain = request.images == len(tasks) == 1 and request.priority == "normal"
        is_plain = is_plain and request.output == "labels"
        if is_plain and type(error) is Overloaded:
            self._pace.refused(tasks[0], error)

    @asynccontextmanager
    async def _numbered(self) -> AsyncIterator[int]:
        """Yield a number for a request; cancel the request if the block ends before its reply."""
        number = next(self._numbers) % 2**32
        try:
            yield number
        finally:
            if self._replies.pop(number, None) is not None:
                self._channel.send(Kind.CANCEL, number)

    async def call(self, number: int, kind: Kind, *payload: bytes) -> bytes:
        """Send a frame of a request, wait for the reply, and return its payload.

        Raises:
            ServiceError: the request failed.
            EngineGone: the engine's process has ended.
        """
        if not self._channel.open:
            raise EngineGone("engine: expected it to run, found its process gone")
        reply = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        self._channel.send(kind, number, *payload)
        return await reply

    def _received(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind is Kind.HELLO:
            self._hello.set_result(payload)
        elif kind is Kind.COUNT:
            self._send_counts()
        else:
            self._settle(kind, number, payload)

    def _send_counts(self) -> None:
        self._channel.send(Kind.COUNT, 0, self._counts().write())

    def _settle(self, kind: Kind, number: int, payload: bytes) -> None:
        # An admission is followed by another reply; every other reply ends its request.
        is_final = kind is not Kind.ADMITTED
        reply = self._replies.pop(number, None) if is_final else self._replies.get(number)
        if reply is None or reply.done():  # cancelled meanwhile
            return
        if kind is Kind.FAILED:
            reply.set_exception(error_of(payload))
        else:
            reply.set_result(payload)

    def _lost(self) -> None:
        for reply in [*self._replies.values(), self._hello]:
            if not reply.done():
                reply.set_exception(
                    EngineGone("engine: expected it to answer, found its process gone")
                )
        self._on_lost()


class _RemoteAdmission:
    """A request that the engine's process has admitted; see `Admission`."""

    def __init__(self, predictor: RemotePredictor, number: int) -> None:
        self._predictor = predictor
        self._number = number

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Admission.answer`."""
        payload = await self._predictor.call(self._number, Kind.IMAGES, *images_parts(images))
        return await aside(len(payload) // LABEL_BYTES, partial(predictions_of, payload))
