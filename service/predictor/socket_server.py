"""The engine's side: HTTP workers come in here with their questions."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from pydantic_core import from_json, to_json

from facet_vision.backbone import Preprocess
from facet_vision.service.errors import ServiceError
from facet_vision.service.telemetry.multiprocess import Sample, growing

from .protocol import Predictor, PredictRequest
from .wire import Channel, Kind, error_bytes, predictions_bytes, request_of

logger = logging.getLogger("facet.service")

COUNT_SECONDS = 1.0
"""How long a scrape of the metrics waits for a HTTP worker."""


class PredictorServer:
    """All HTTP workers that are connected.

    Args:
        predictor: answers their questions.
        preprocess: how they are to make pixels of images.
        clock: seconds, monotonic; that of deadlines.
    """

    def __init__(
        self, predictor: Predictor, preprocess: Preprocess, clock: Callable[[], float]
    ) -> None:
        self._predictor, self._preprocess, self._clock = predictor, preprocess, clock
        self._open: set[_Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._gone: Counter[Sample] = Counter()  # what HTTP workers counted that have ended

    def __len__(self) -> int:
        return len(self._open)

    async def listen(self, path: Path) -> None:
        """Take connections of HTTP workers at a Unix socket."""
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: self._connect().channel, str(path)
        )

    async def counts(self) -> Counter[Sample]:
        """What all HTTP workers have counted, those that have ended included as far as they had told it."""
        await asyncio.gather(*(door.count() for door in self._open))
        total = Counter(self._gone)
        for door in (
            self._open
        ):  # those that are still there; what the others have counted is among what stays
            total.update(door.counted)  # unlike +, this keeps what is zero
        return total

    def _connect(self) -> "_Connection":
        door = _Connection(self._predictor, self._preprocess, self._clock, self._disconnect)
        self._open.add(door)
        return door

    def _disconnect(self, door: "_Connection") -> None:
        self._open.discard(door)
        self._gone.update(growing(door.counted))


@dataclass(eq=False)
class _Asked:
    """A question under way."""

    task: "asyncio.Task[None] | None" = None
    images: "asyncio.Future[bytes]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class _Connection:
    """One HTTP worker's connection."""

    def __init__(
        self,
        predictor: Predictor,
        preprocess: Preprocess,
        clock: Callable[[], float],
        closed: "Callable[[_Connection], None]",
    ) -> None:
        self._predictor, self._preprocess, self._clock, self._closed = (
            predictor,
            preprocess,
            clock,
            closed,
        )
        self._asked: dict[int, _Asked] = {}
        self._counting: asyncio.Future[None] | None = None
        self.counted: Counter[Sample] = Counter()
        self.channel = Channel(self._received, self._lost, self._greet)

    def _greet(self) -> None:
        self.channel.send(Kind.HELLO, 0, to_json(asdict(self._preprocess)))

    async def count(self) -> None:
        """Ask the HTTP worker for its counts; if it does not tell, those that it told last stay."""
        if self._counting is None:
            self._counting = asyncio.get_running_loop().create_future()
            self.channel.send(Kind.COUNT, 0)
        await asyncio.wait([self._counting], timeout=COUNT_SECONDS)

    def _received(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind in (Kind.ASK, Kind.CHECK):
            self._begin(kind, number, request_of(payload, self._clock()))
        elif kind is Kind.COUNT:
            self._count(payload)
        elif asked_before := self._asked.get(number):  # else it has failed meanwhile
            if kind is Kind.IMAGES:
                asked_before.images.set_result(payload)
            elif asked_before.task is not None:
                asked_before.task.cancel()

    def _begin(self, kind: Kind, number: int, question: PredictRequest) -> None:
        asked = self._asked[number] = _Asked()
        work = partial(self._answer, images=asked.images) if kind is Kind.ASK else self._check
        asked.task = asyncio.create_task(self._settled(number, partial(work, number, question)))
        # A callback, since a task that is cancelled before it began runs no line of its own.
        asked.task.add_done_callback(lambda _: self._asked.pop(number, None))

    async def _settled(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            if not isinstance(error, ServiceError):
                logger.exception("a question of a HTTP worker failed")
            self.channel.send(Kind.FAILED, number, error_bytes(error))

    async def _check(self, number: int, question: PredictRequest) -> None:
        await self._predictor.check(question, None)
        self.channel.send(Kind.ANSWERED, number)

    async def _answer(
        self, number: int, question: PredictRequest, images: "asyncio.Future[bytes]"
    ) -> None:
        async with self._predictor.admit(question) as admission:
            self.channel.send(Kind.ADMITTED, number)
            pixels = np.frombuffer(await images, np.uint8).reshape(-1, *self._preprocess.input_size)
            self.channel.send(
                Kind.ANSWERED, number, predictions_bytes(await admission.answer(list(pixels)))
            )

    def _count(self, payload: bytes) -> None:
        told = (
            (Sample(metric, name, tuple(map(tuple, labels))), value)
            for metric, name, labels, value in from_json(payload)
        )
        self.counted = Counter(dict(told))
        if self._counting is not None:
            self._counting.set_result(None)
            self._counting = None

    def _lost(self) -> None:
        for asked in self._asked.values():
            if asked.task is not None:
                asked.task.cancel()
        if self._counting is not None:
            self._counting.set_result(None)
        self._closed(self)
