"""From concurrent requests to batches, and from batches back to requests.

Whenever the engine is free it takes what waits, as much as `pacing` says; nothing is held back in the hope of more.
Which rows those are is `fair_queue`'s choice, and who may wait at all `admission`'s.
"""

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

from torch import Tensor

from facet_vision.service.errors import DeadlineUnreachable, Draining, ForwardFailed, Overloaded

from .admission import Quota
from .batch_size import BatchSizer, round_down
from .engine import Group
from .fair_queue import FairQueue
from .resident import Resident
from .rows import Answer, Priority, Row, Ticket

logger = logging.getLogger("facet.service")

T = TypeVar("T")

JOIN_SECONDS = 10.0
"""How long a shutdown waits for a thread of the engine: a forward that hangs must not keep the process."""

MAX_RETRY_AFTER = 60
"""Most seconds that a refused client is told to wait."""

Forward = Callable[[Sequence[Group]], Sequence[Tensor]]
"""Answers a batch given by groups: for each group its scores, (rows, labels)."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch that left: for the metrics.

    Attributes:
        rows, tasks: its size, and how many tasks shared it.
        images: how many the engine computed; fewer than rows where several were answered from one feature.
        full: whether it left because it was full; otherwise it took what there was for it.
        queue_seconds: the wait of each row.
        forward_seconds: what the forward took, retries included.
    """

    rows: int
    tasks: int
    images: int
    full: bool
    queue_seconds: Sequence[float]
    forward_seconds: float


Observer = Callable[[BatchReport], None]
"""Is told about each batch, on the event loop."""


class Batcher:
    """Owns the queue and the threads that run the engine.

    Args:
        forward: answers a batch; called from those threads only.
        max_batch: most images that a forward computes.
        queue_limit: most rows admitted and not yet answered.
        latency_target: seconds that a forward should take at most; None where only throughput matters.
        workers: how many threads, and so how many forwards at once.
        prepare: what each of them does first.
        observe: told about every batch.
        clock: seconds, monotonic.

    Attributes:
        draining: whether new requests are refused because the server is shutting down.
        clock: as given.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        max_batch: int,
        queue_limit: int,
        latency_target: float | None = None,
        workers: int = 1,
        prepare: Callable[[], None] = lambda: None,
        observe: Observer | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._forward, self._observe, self.clock = forward, observe, clock
        self._sizer = BatchSizer(max_batch, latency_target, workers)
        self._quota, self._queue = Quota(queue_limit), FairQueue()
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._called = False  # whether a call has run since the last batch
        self._changed = (
            threading.Condition()
        )  # guards the queue, the calls, what is told to the pace, and `_stopped`
        self._stopped = False
        self._idle = asyncio.Event()
        self.draining = False
        self._prepare, self._prepared = prepare, threading.Semaphore(0)
        self._free = 0  # threads that wait for work
        self._threads = [
            threading.Thread(target=self._work, name=f"facet-engine-{number}", daemon=True)
            for number in range(workers)
        ]
        self._loop: asyncio.AbstractEventLoop | None = None

    # What the event loop calls.

    def start(self) -> None:
        """Start the engine's threads, and wait until each is prepared; call it from the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._prepared.acquire()

    @property
    def alive(self) -> bool:
        """Whether all of the engine's threads run."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def queued(self) -> int:
        """Rows that wait for a batch."""
        return len(self._queue)

    @property
    def admitted(self) -> int:
        """Rows admitted and not yet answered."""
        return self._quota.taken

    @property
    def batch_limit(self) -> int:
        """Images that the next forward may hold, by the costs measured so far."""
        return self._sizer.limit

    def admit(
        self,
        tasks: Sequence[str],
        images: int,
        *,
        priority: Priority = "normal",
        deadline: float = math.inf,
    ) -> Ticket:
        """Reserve places for all rows of a request, `images` for each of the tasks, or for none.

        Raises:
            Draining: the server is shutting down.
            Overloaded: there is no room for so many rows now.
            DeadlineUnreachable: the rows that wait already take longer than the deadline, a time of `clock`, allows.
        """
        self.check(tasks, images, priority=priority, deadline=deadline)
        self._quota.take(tasks, images)
        return Ticket(self, tasks, images, priority=priority, deadline=deadline)

    def refusal(self, task: str) -> Overloaded | None:
        """Why one image for a task is not let in now, where that is for want of room; for what has no other terms."""
        refusal = None if self.draining else self._quota.refusal([task], 1, "normal")
        return Overloaded(refusal, self._retry_after()) if refusal else None

    def check(
        self,
        tasks: Sequence[str],
        images: int,
        *,
        priority: Priority = "normal",
        deadline: float = math.inf,
    ) -> None:
        """Raise what `admit` would raise now, and reserve nothing: for a request that has not been read yet."""
        if self.draining:
            raise Draining("server: expected to take requests, found it shutting down")
        if refusal := self._quota.refusal(tasks, images, priority):
            raise Overloaded(refusal, self._retry_after())
        self._check_deadline(tasks, images, priority, deadline)

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function on one of the engine's threads, between batches."""
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((function, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)

    async def drain(self) -> None:
        """Take nothing new, wait for what was admitted, then stop the threads."""
        self.draining = True
        while self._quota.taken:
            self._idle.clear()
            await self._idle.wait()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join, JOIN_SECONDS)

    # What tickets call.

    def enqueue(self, rows: Sequence[Row]) -> None:
        """Let the rows wait for a batch."""
        with self._changed:
            for row in rows:
                self._queue.push(row)
            self._changed.notify()

    def close(self, ticket: Ticket, rows: Sequence[Row]) -> None:
        """Take the ticket's rows out of the queue, those that still are in it, and give its places back."""
        with self._changed:
            for row in rows:
                self._queue.discard(row)
        self._quota.give_back(ticket.tasks, ticket.images)
        if not self._quota.taken:
            self._idle.set()

    def _check_deadline(
        self, tasks: Sequence[str], images: int, priority: Priority, deadline: float
    ) -> None:
        left = max(0.0, deadline - self.clock())
        if (
            self._sizer.wait(len(self._queue)) <= left
        ):  # in time even behind all that waits: as a rule, and soon told
            return
        with self._changed:
            ahead = self._queue.ahead(tasks, priority, images) if tasks else 0
        if (wait := self._sizer.wait(ahead)) > left:
            raise DeadlineUnreachable(
                f"request: expected an answer within {left:.3g} seconds, found {wait:.3g} seconds of work before it",
                self._retry_after(),
            )

    def _retry_after(self) -> float:
        images = (
            self._quota.taken - len(self._queue) + self._queue.images
        )  # of rows that do not wait every one counts
        return min(MAX_RETRY_AFTER, self._sizer.seconds(images))

    def _deliver(
        self, rows: Sequence[Row], outcomes: Sequence[Tensor | Exception], report: BatchReport
    ) -> None:
        for row, outcome, wait in zip(rows, outcomes, report.queue_seconds, strict=True):
            answer = (
                outcome
                if isinstance(outcome, Exception)
                else Answer(outcome, wait, report.forward_seconds)
            )
            row.ticket.answer(row.place, answer)
        if self._observe:
            self._observe(report)

    # What the engine's thread runs: receive, choose, run, settle.

    def _work(self) -> None:
        self._prepare()
        self._prepared.release()
        while self._step():
            pass

    def _step(self) -> bool:
        """Wait for work and do it; false when there is none and none will come. Holds no row once it returns."""
        with self._changed:
            self._free += 1
            self._changed.wait_for(lambda: self._calls or len(self._queue) or self._stopped)
            share = math.ceil(len(self._queue) / self._free)  # the others that are free take theirs
            self._free -= 1
            # At most one call between two batches, so that a flood of uploads cannot keep requests waiting.
            call = (
                self._calls.popleft()
                if self._calls and not (self._called and len(self._queue))
                else None
            )
            self._called = call is not None
            limit = (
                0 if call else round_down(self._sizer.next_limit())
            )  # rows are left to others, who can take them now
            taken = self._queue.take(min(limit, round_down(share)), self.clock())
            if len(self._queue):
                self._changed.notify()
            finished = self._stopped and not (call or taken or len(self._queue))
        if call:
            _run_call(*call)
        if taken:
            self._run_batch(taken, full=len(taken) == limit)
        return not finished

    def _run_batch(self, taken: Sequence[Sequence[Row]], *, full: bool) -> None:
        groups = _group(row for rows in taken for row in rows)
        begun = self.clock()
        outcomes = self._answer(list(groups.values()))
        seconds = self.clock() - begun
        if not any(isinstance(outcome, Exception) for outcome in outcomes):
            with self._changed:
                self._sizer.observe(len(taken), seconds)
        rows = [row for group in groups.values() for row in group]
        tasks = len({row.resident.task for row in rows})
        report = BatchReport(
            len(rows), tasks, len(taken), full, [begun - row.queued for row in rows], seconds
        )
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, rows, outcomes, report)

    def _answer(self, groups: Sequence[Sequence[Row]]) -> list[Tensor | Exception]:
        """Scores of every row; when a mixed batch fails, each task is tried alone so that only the culprit fails."""
        try:
            scores = self._forward(
                [(rows[0].resident, [row.image for row in rows]) for rows in groups]
            )
            return [row for group in scores for row in group.unbind()]
        except Exception as error:
            if len(groups) > 1:
                return [outcome for rows in groups for outcome in self._answer([rows])]
            resident = groups[0][0].resident
            logger.exception(
                "forward of task %r version %d failed", resident.task, resident.version
            )
            return [_failure(resident, error) for _ in groups[0]]


def _failure(resident: Resident, error: Exception) -> ForwardFailed:
    """What a client is told: our own sentence, or only the kind of a foreign error, whose text the log has."""
    found = str(error) if isinstance(error, ForwardFailed) else type(error).__name__
    return ForwardFailed(f"task {resident.task!r}: expected a finished forward, found: {found}")


def _group(rows: Iterable[Row]) -> dict[int, list[Row]]:
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
