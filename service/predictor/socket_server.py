"""Server of predict requests in the engine's process; HTTP workers connect to it."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from pydantic_core import to_json

from facet_vision.backbone import Preprocess
from facet_vision.service.errors import ServiceError
from facet_vision.service.telemetry.multiprocess import Counted
from facet_vision.service.telemetry.request_log import current
from facet_vision.service.telemetry.traces import NoTracing, Trace, Tracing, current_span

from .bulk import aside, label_count
from .protocol import Predictor, PredictRequest
from .wire import Channel, Kind, error_bytes, images_of, predictions_bytes, request_of

logger = logging.getLogger("facet.service")

COUNT_SECONDS = 1.0
"""How long a scrape of the metrics waits for an HTTP worker."""


class PredictorServer:
    """The connections of all HTTP workers. Only the event loop uses it.

    Args:
        predictor: answers their requests.
        preprocess: how they are to make pixels of images.
        clock: seconds, monotonic; that of deadlines.
        tracing: goes on with their spans.
    """

    def __init__(
        self,
        predictor: Predictor,
        preprocess: Preprocess,
        clock: Callable[[], float],
        tracing: Tracing | None = None,
    ) -> None:
        self._predictor = predictor
        self._preprocess = preprocess
        self._clock = clock
        self._tracing = tracing or NoTracing()
        self._connections: set[_Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._ended = Counted()  # counted by HTTP workers that have ended

    def __len__(self) -> int:
        return len(self._connections)

    async def listen(self, path: Path) -> None:
        """Accept connections of HTTP workers at a Unix socket."""
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: self._connect().channel, str(path)
        )

    async def counts(self) -> Counted:
        """Return the sum of what all HTTP workers have counted.

        That includes workers that have ended, as far as they had reported it.
        """
        await asyncio.gather(*(connection.count() for connection in self._connections))
        # Those still connected now: a worker that has ended meanwhile is counted in `_ended`.
        total = Counted()
        for counted in (self._ended, *(each.counted for each in self._connections)):
            total.add(counted)
        return total

    def _connect(self) -> "_Connection":
        connection = _Connection(
            self._predictor, self._preprocess, self._clock, self._tracing, self._disconnect
        )
        self._connections.add(connection)
        return connection

    def _disconnect(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        self._ended.add(connection.counted.growing())


@dataclass(frozen=True, eq=False)
class _Exchange:
    """A request under way.

    Attributes:
        task: answers it.
        images: the payload with its images, which the HTTP worker sends once it is admitted.
    """

    task: "asyncio.Task[None]"
    images: "asyncio.Future[bytes]"


class _Connection:
    """The connection of one HTTP worker.

    Attributes:
        counted: what the worker has reported last.
        channel: the engine's end.
    """

    def __init__(
        self,
        predictor: Predictor,
        preprocess: Preprocess,
        clock: Callable[[], float],
        tracing: Tracing,
        closed: "Callable[[_Connection], None]",
    ) -> None:
        self._predictor = predictor
        self._preprocess = preprocess
        self._clock = clock
        self._tracing = tracing
        self._closed = closed
        self._exchanges: dict[int, _Exchange] = {}
        self._counting: asyncio.Future[None] | None = None
        self.counted = Counted()
        self.channel = Channel(self._received, self._lost, self._greet)

    async def count(self) -> None:
        """Ask the HTTP worker for its counts; without a reply in time the last ones stay."""
        if self._counting is None:  # concurrent scrapes wait for one reply
            self._counting = asyncio.get_running_loop().create_future()
            self.channel.send(Kind.COUNT, 0)
        await asyncio.wait([self._counting], timeout=COUNT_SECONDS)

    def _greet(self) -> None:
        self.channel.send(Kind.HELLO, 0, to_json(asdict(self._preprocess)))

    def _received(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind in (Kind.PREDICT, Kind.CHECK):
            self._start(kind, number, *request_of(payload, self._clock()))
        elif kind is Kind.COUNT:
            self._count(payload)
        elif exchange := self._exchanges.get(number):  # else it has failed meanwhile
            if kind is Kind.IMAGES:
                exchange.images.set_result(payload)
            else:
                exchange.task.cancel()

    def _start(
        self, kind: Kind, number: int, request: PredictRequest, identity: str, trace: Trace | None
    ) -> None:
        images: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        context = copy_context()
        context.run(current.set, identity)
        context.run(current_span.set, self._tracing.join(trace))
        task = asyncio.create_task(self._run(kind, number, request, images), context=context)
        self._exchanges[number] = _Exchange(task, images)
        # A callback, because a task that is cancelled before it begins runs no line of its own.
        task.add_done_callback(lambda _: self._exchanges.pop(number, None))

    async def _run(
        self, kind: Kind, number: int, request: PredictRequest, images: "asyncio.Future[bytes]"
    ) -> None:
        """Answer a request, or report why it failed."""
        try:
            if kind is Kind.CHECK:
                await self._check(number, request)
            else:
                await self._predict(number, request, images)
        except Exception as error:
            if not isinstance(error, ServiceError):
                logger.exception("a request of an HTTP worker failed")
            self.channel.send(Kind.FAILED, number, error_bytes(error))

    async def _check(self, number: int, request: PredictRequest) -> None:
        await self._predictor.check(request, None)
        self.channel.send(Kind.ANSWERED, number)

    async def _predict(
        self, number: int, request: PredictRequest, images: "asyncio.Future[bytes]"
    ) -> None:
        async with self._predictor.admit(request) as admission:
            self.channel.send(Kind.ADMITTED, number)
            pixels = images_of(await images, request.images, self._preprocess.input_size)
            predictions = await admission.answer(pixels)
            payload = await aside(label_count(predictions), partial(predictions_bytes, predictions))
            self.channel.send(Kind.ANSWERED, number, payload)

    def _count(self, payload: bytes) -> None:
        self.counted = Counted.read(payload)
        if self._counting is not None:
            self._counting.set_result(None)
            self._counting = None

    def _lost(self) -> None:
        for exchange in self._exchanges.values():
            exchange.task.cancel()
        if self._counting is not None:
            self._counting.set_result(None)
        self._closed(self)
