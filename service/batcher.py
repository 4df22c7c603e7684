"""From concurrent requests to batches, and from batches back to requests.

Whenever the engine is free it takes what waits, up to a maximum; nothing is held back in the hope of more. Tasks take
turns: a batch is filled one row of each task after another, so a busy task cannot starve a quiet one.
"""

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from torch import Tensor

from .admission import Answer, FairQueue, Row, Ticket
from .bank import Resident
from .engine import Group
from .errors import Draining, ForwardFailed, Overloaded

logger = logging.getLogger("facet.service")

T = TypeVar("T")

JOIN_SECONDS = 10.0
"""How long a shutdown waits for the engine's thread: a forward that hangs must not keep the process."""

Forward = Callable[[Sequence[Group]], Sequence[Tensor]]
"""Answers a batch given by groups: for each group its scores, (rows, labels)."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch that left: for the metrics.

    Attributes:
        rows, tasks: its size, and how many tasks shared it.
        full: whether it left because it was full; otherwise it took all that waited.
        queue_seconds: the wait of each row.
        forward_seconds: what the forward took, retries included.
    """

    rows: int
    tasks: int
    full: bool
    queue_seconds: Sequence[float]
    forward_seconds: float


@dataclass
class _Load:
    """How much is admitted, and how fast it goes; touched by the event loop only."""

    rows: int = 0
    seconds_per_row: float = 0.0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


Observer = Callable[[BatchReport], None]
"""Is told about each batch, on the event loop."""


class Batcher:
    """Owns the queue and the one thread that runs the engine.

    Args:
        forward: answers a batch; called from that thread only.
        max_batch: most rows in a batch.
        queue_limit: most rows admitted and not yet answered.
        observe: told about every batch.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        max_batch: int,
        queue_limit: int,
        observe: Observer | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._forward, self._max_batch, self._queue_limit = forward, max_batch, queue_limit
        self._observe, self._clock = observe, clock
        self._queue = FairQueue()
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._changed = threading.Condition()  # guards the queue, the calls and `_stopped`
        self._stopped = False
        self._load = _Load()
        self.draining = False
        self._thread = threading.Thread(target=self._work, name="facet-engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    # What the event loop calls.

    def start(self) -> None:
        """Start the engine's thread; call it from the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the engine's thread runs."""
        return self._thread.is_alive()

    @property
    def queued(self) -> int:
        """Rows that wait for a batch."""
        return len(self._queue)

    @property
    def admitted(self) -> int:
        """Rows admitted and not yet answered."""
        return self._load.rows

    def admit(self, rows: int) -> Ticket:
        """Reserve places for all rows of a request, or for none.

        Raises:
            Draining: the server is shutting down.
            Overloaded: there is no room for so many rows now.
        """
        if self.draining:
            raise Draining("server: expected to take requests, found it shutting down")
        if self._load.rows + rows > self._queue_limit:
            room = self._queue_limit - self._load.rows
            raise Overloaded(f"queue: expected room for {rows} rows, found {room}", self._retry_after())
        self._load.rows += rows
        return Ticket(rows, self._enqueue, self._release, self._clock)

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function on the engine's thread, between batches."""
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((function, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)

    async def drain(self) -> None:
        """Take nothing new, wait for what was admitted, then stop the thread."""
        self.draining = True
        while self._load.rows:
            self._load.idle.clear()
            await self._load.idle.wait()
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, JOIN_SECONDS)

    def _release(self, rows: int) -> None:
        self._load.rows -= rows
        if not self._load.rows:
            self._load.idle.set()

    def _enqueue(self, rows: Sequence[Row]) -> None:
        with self._changed:
            for row in rows:
                self._queue.push(row)
            self._changed.notify()

    def _retry_after(self) -> int:
        return min(60, max(1, math.ceil(self._load.rows * self._load.seconds_per_row)))

    def _deliver(
        self, rows: Sequence[Row], outcomes: Sequence[Tensor | Exception], begun: float, seconds: float
    ) -> None:
        waits = [begun - row.queued for row in rows]
        for row, outcome, wait in zip(rows, outcomes, waits, strict=True):
            row.ticket.answer(row.place, outcome if isinstance(outcome, Exception) else Answer(outcome, wait, seconds))
        self._load.seconds_per_row += 0.2 * (seconds / len(rows) - self._load.seconds_per_row)
        tasks = len({row.resident.task for row in rows})
        if self._observe:
            self._observe(BatchReport(len(rows), tasks, len(rows) == self._max_batch, waits, seconds))

    # What the engine's thread runs: receive, choose, run, settle.

    def _work(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """Wait for work and do it; false when there is none and none will come. Holds no row once it returns."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or len(self._queue) or self._stopped)
            # At most one call between two batches, so that a flood of uploads cannot keep requests waiting.
            call = self._calls.popleft() if self._calls else None
            rows = self._queue.take(self._max_batch)
            finished = self._stopped and not (call or rows or len(self._queue))
        if call:
            _run_call(*call)
        if rows:
            self._run_batch(rows)
        return not finished

    def _run_batch(self, rows: Sequence[Row]) -> None:
        groups = _group(rows)
        begun = self._clock()
        outcomes = self._answer(list(groups.values()))
        seconds = self._clock() - begun
        ordered = [row for group in groups.values() for row in group]
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, ordered, outcomes, begun, seconds)

    def _answer(self, groups: Sequence[Sequence[Row]]) -> list[Tensor | Exception]:
        """Scores of every row; when a mixed batch fails, each task is tried alone so that only the culprit fails."""
        try:
            scores = self._forward([(rows[0].resident, [row.image for row in rows]) for rows in groups])
            return [row for group in scores for row in group.unbind()]
        except Exception as error:
            if len(groups) > 1:
                return [outcome for rows in groups for outcome in self._answer([rows])]
            resident = groups[0][0].resident
            logger.exception("forward of task %r version %d failed", resident.task, resident.version)
            return [_failure(resident, error) for _ in groups[0]]


def _failure(resident: Resident, error: Exception) -> ForwardFailed:
    """What a client is told: our own sentence, or only the kind of a foreign error, whose text the log has."""
    found = str(error) if isinstance(error, ForwardFailed) else type(error).__name__
    return ForwardFailed(f"task {resident.task!r}: expected a finished forward, found: {found}")


def _group(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Bring the rows of a resident together; the old and the new version of a task are two residents."""
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(id(row.resident), []).append(row)
    return groups


def _run_call(function: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # the caller gets it; this thread goes on
        future.set_exception(error)
