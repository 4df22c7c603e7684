"""The HTTP worker's side: questions answered by the engine's process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from pydantic import TypeAdapter
from pydantic_core import to_json

from facet_vision.backbone import Pixels, Preprocess
from facet_vision.service.errors import DeadlineExceeded, EngineGone, Overloaded
from facet_vision.service.telemetry.multiprocess import Sample

from .protocol import Prediction, PredictRequest
from .wire import Channel, Kind, error_of, is_short, predictions_of, request_bytes

MOST_SECONDS_FULL, SHARE_FULL = 0.25, 0.2
"""How long a refusal holds without asking again: a fifth of the time that the work which waits takes, so that the
engine does not run out of it meanwhile."""


class RemotePredictor:
    """Answers questions by a connection to the engine's process; see `Predictor`.

    Args:
        clock: seconds, monotonic; that of deadlines.
        counts: what this process has counted, for the metrics.
        lost: told when the connection has ended.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        counts: Callable[[], dict[Sample, float]],
        lost: Callable[[], None],
    ) -> None:
        self._clock, self._counts, self._on_lost = clock, counts, lost
        self._numbers = count(1)
        self._full: dict[
            str, tuple[Overloaded, float]
        ] = {}  # tasks lately refused for want of room, and until when
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._channel = Channel(self._received, self._lost)
        self._greeting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def connect(self, path: Path) -> Preprocess:
        """Connect to the Unix socket of the engine's process; says how images are to be preprocessed."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self._channel, str(path))
        return TypeAdapter(Preprocess).validate_json(await self._greeting)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    async def check(self, question: PredictRequest, body: int | None) -> None:
        """See `Predictor.check`; the engine's process is only asked where the body is a long one."""
        if is_short(body):
            return
        now = self._clock()
        try:
            async with asyncio.timeout(max(0.0, question.deadline - now)), self._asking() as number:
                await self.reply(number, Kind.CHECK, request_bytes(question, now))
        except TimeoutError:
            raise DeadlineExceeded from None

    @asynccontextmanager
    async def admit(self, question: PredictRequest) -> "AsyncIterator[_Admitted]":
        """See `Predictor.admit`."""
        async with self._asking() as number:
            try:
                await self.reply(number, Kind.ASK, request_bytes(question, self._clock()))
            except Overloaded as error:
                self._remember(question, error)
                raise
            yield _Admitted(self, number)

    def refusal(self, task: str) -> Overloaded | None:
        """See `Predictor.refusal`; known is what the engine's process refused a moment ago."""
        error, until = self._full.get(task, (None, 0.0))
        if error is not None and self._clock() < until:
            return error
        self._full.pop(task, None)
        return None

    def _remember(self, question: PredictRequest, error: Overloaded) -> None:
        """What was refused would be refused again until a part of the work that waits is done."""
        tasks = question.tasks or ()
        if (
            question.images == len(tasks) == 1
            and question.priority == "normal"
            and type(error) is Overloaded
        ):
            until = self._clock() + min(MOST_SECONDS_FULL, error.retry_after * SHARE_FULL)
            # Another one: that which is raised holds on to all that was under way.
            self._full[tasks[0]] = Overloaded(str(error), error.retry_after), until

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[int]:
        """A number for a question, and the end of it."""
        number = next(self._numbers) % 2**32
        try:
            yield number
        finally:
            if self._replies.pop(number, None) is not None:  # left before the last answer
                self._channel.send(Kind.LEAVE, number)

    async def reply(self, number: int, kind: Kind, *payload: bytes) -> bytes:
        """Send a frame of a question and wait for what comes back.

        Raises:
            ServiceError: that instead.
        """
        if not self._channel.open:
            raise EngineGone("engine: expected it to run, found its process gone")
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._channel.send(kind, number, *payload)
        return await reply

    def _received(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind is Kind.HELLO:
            self._greeting.set_result(payload)
        elif kind is Kind.COUNT:
            self._channel.send(
                Kind.COUNT,
                0,
                to_json([(*sample, value) for sample, value in self._counts().items()]),
            )
        elif (reply := self._waiting(kind, number)) and not reply.done():
            if kind is Kind.FAILED:
                reply.set_exception(error_of(payload))
            else:
                reply.set_result(payload)

    def _waiting(self, kind: Kind, number: int) -> "asyncio.Future[bytes] | None":
        """Who waits for a frame; of a question that it ends nothing is kept."""
        return (
            self._replies.get(number) if kind is Kind.ADMITTED else self._replies.pop(number, None)
        )

    def _lost(self) -> None:
        for reply in [*self._replies.values(), self._greeting]:
            if not reply.done():
                reply.set_exception(
                    EngineGone("engine: expected it to answer, found its process gone")
                )
        self._on_lost()


class _Admitted:
    """A question that the engine's process has let in."""

    def __init__(self, predictor: RemotePredictor, number: int) -> None:
        self._predictor, self._number = predictor, number

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Admission.answer`."""
        return predictions_of(
            await self._predictor.reply(self._number, Kind.IMAGES, *(i.tobytes() for i in images))
        )
