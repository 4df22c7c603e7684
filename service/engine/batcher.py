"""Batching of concurrent requests, and the threads that run the engine.

Whenever the engine is free it takes the rows that wait, as many as `batch_size` says; nothing is
held back in the hope of more. `fair_queue` chooses the rows, `admission` limits how many may wait.
"""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import chain
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from facet_vision.service.errors import DeadlineUnreachable, Draining, Overloaded

from .admission import Quota
from .batch import BatchReport, Forward, answer, by_resident, shares
from .batch_size import BatchSizer, round_down
from .fair_queue import FairQueue
from .head_time import measured
from .rows import Answer, Exemplar, Priority, Row, Ticket

T = TypeVar("T")

JOIN_SECONDS = 10.0
"""Wait of a shutdown for each of the engine's threads: one that hangs must not block the exit."""

MAX_RETRY_AFTER_SECONDS = 60
"""Most seconds after which a refused client is invited to retry."""

Call = tuple[Callable[[], Any], "Future[Any]"]
"""A function to run on an engine's thread, and the future that gets its result."""


Observer = Callable[[BatchReport], None]
"""Called with each batch, on the event loop."""


class _Work(NamedTuple):
    """What one step of an engine's thread does: a call, a batch, or nothing.

    Attributes:
        call: a function to run instead of a batch, if there is one.
        images: for each image to compute the rows that its feature answers.
        full: whether the batch is limited by its size.
        is_last: whether nothing is left to do afterwards, and nothing will be.
    """

    call: Call | None
    images: Sequence[Sequence[Row]]
    full: bool
    is_last: bool


class Batcher:
    """Owns the queue and the threads that run the engine.

    The event loop calls `start`, `admit`, `check`, `refusal`, `call` and `drain`; tickets call
    `enqueue` and `close`, on the event loop as well. The engine's threads run `_work` and what it
    calls. They never touch a ticket's future: answers are delivered on the event loop, by
    `_deliver`.

    Args:
        forward: answers a batch; called from the engine's threads only.
        max_batch: most images that a forward computes.
        queue_limit: most rows admitted and not yet answered.
        latency_target: seconds that a forward should take at most; None where only throughput
            matters.
        workers: how many threads, and so how many forwards at once.
        prepare: what each thread does first.
        observe: called with every batch.
        clock: seconds, monotonic.

    Attributes:
        draining: whether new requests are refused because the server is shutting down.
        stopped: set once the threads have nothing left to do.
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
        self._forward = forward
        self._prepare = prepare
        self._observe = observe
        self.clock = clock

        # Only the event loop uses these.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._quota = Quota(queue_limit)
        self._idle = asyncio.Event()
        self.draining = False

        # The lock of `_changed` guards all of these. It is held to change or search them, never
        # while the engine runs. The event loop reads the queue's size and the sizer's latest cost
        # without it: these are estimates, and a size or a cost is replaced as a whole.
        self._changed = threading.Condition()
        self._queue = FairQueue()
        self._sizer = BatchSizer(max_batch, latency_target, workers)
        self._calls: deque[Call] = deque()
        self._called = False  # whether a call has run since the last batch
        self._free = 0  # threads that wait for work
        self._stopped = False

        self.stopped = threading.Event()
        # By thread: when it began what it runs, and its tasks. Each thread writes its own entry.
        self._running: dict[int, tuple[float, set[str]]] = {}
        self._prepared = threading.Semaphore(0)  # counts the threads that have run `prepare`
        self._threads = [
            threading.Thread(target=self._work, name=f"facet-engine-{number}", daemon=True)
            for number in range(workers)
        ]

    # Called by the event loop.

    def start(self) -> None:
        """Start the engine's threads and wait until each is prepared.

        The running event loop must call it: answers are delivered there.
        """
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._prepared.acquire()

    @property
    def alive(self) -> bool:
        """Whether all of the engine's threads run."""
        return all(thread.is_alive() for thread in self._threads)

    def running_seconds(self) -> float:
        """Return for how long the batch or call has run that has run longest; 0 if none runs."""
        return max((self.clock() - began for began, _ in list(self._running.values())), default=0.0)

    @property
    def queued(self) -> int:
        """Rows that wait for a batch."""
        return len(self._queue)

    def waiting_tasks(self) -> set[str]:
        """Return the tasks with rows that wait for a batch."""
        with self._changed:
            return set(self._queue.tasks())

    def running_tasks(self) -> set[str]:
        """Return the tasks with rows in a batch that runs."""
        return {task for _, tasks in list(self._running.values()) for task in tasks}

    @property
    def admitted(self) -> int:
        """Rows admitted and not yet answered."""
        return self._quota.reserved

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
        exemplar: Exemplar = None,
    ) -> Ticket:
        """Reserve all rows of a request, `images` for each of the tasks, or none of them.

        Args:
            tasks, images, priority, deadline: what it asks for.
            exemplar: leads to its trace.

        Raises:
            Draining: the server is shutting down.
            Overloaded: the quota has no room for all the rows now.
            DeadlineUnreachable: the rows that wait already take longer than the deadline, a time
                of `clock`, allows.
        """
        self.check(tasks, images, priority=priority, deadline=deadline)
        self._quota.reserve(tasks, images)
        ticket = Ticket(self, tasks, images, priority=priority, deadline=deadline)
        ticket.exemplar = exemplar
        return ticket

    def refusal(self, task: str) -> Overloaded | None:
        """Return the error that one image for a task, without terms of its own, would meet now.

        Only for want of room; None if there is room, or if the server is shutting down.
        """
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
        """Raise what `admit` would raise now, and reserve nothing.

        For a request whose body has not been read yet.
        """
        if self.draining:
            raise Draining("server: expected to take requests, found it shutting down")
        if refusal := self._quota.refusal(tasks, images, priority):
            raise Overloaded(refusal, self._retry_after())
        self._check_deadline(tasks, images, priority, deadline)

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function on one of the engine's threads, between batches, and return its result."""
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((function, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)

    async def drain(self) -> None:
        """Refuse new requests, wait until the admitted ones are answered, then stop the threads."""
        self.draining = True
        while self._quota.reserved:
            self._idle.clear()
            await self._idle.wait()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join, JOIN_SECONDS)
        self.stopped.set()

    # Called by tickets, on the event loop.

    def enqueue(self, rows: Sequence[Row]) -> None:
        """Let the rows wait for a batch."""
        with self._changed:
            for row in rows:
                self._queue.push(row)
            self._changed.notify()

    def close(self, ticket: Ticket, rows: Sequence[Row]) -> None:
        """Discard those of the ticket's rows that still wait, and release its quota."""
        with self._changed:
            for row in rows:
                self._queue.discard(row)
        self._quota.release(ticket.tasks, ticket.images)
        if not self._quota.reserved:
            self._idle.set()

    def _check_deadline(
        self, tasks: Sequence[str], images: int, priority: Priority, deadline: float
    ) -> None:
        left = max(0.0, deadline - self.clock())
        # Usually it is in time even behind all the rows that wait, which takes no lock to see.
        if self._sizer.wait(len(self._queue)) <= left:
            return
        with self._changed:
            ahead = self._queue.ahead(tasks, priority, images) if tasks else 0
        wait = self._sizer.wait(ahead)
        if wait > left:
            raise DeadlineUnreachable(
                f"request: expected an answer within {left:.3g} seconds, "
                f"found {wait:.3g} seconds of work before it",
                self._retry_after(),
            )

    def _retry_after(self) -> float:
        """Return the seconds until everything admitted so far is answered, at most a minute."""
        # Twins that wait share an image; of a row that does not wait yet, or any more, it is not
        # known, so each of those counts as one.
        images = self._quota.reserved - len(self._queue) + self._queue.images
        return min(MAX_RETRY_AFTER_SECONDS, self._sizer.seconds(images))

    def _deliver(
        self, rows: Sequence[Row], outcomes: Sequence[Tensor | Exception], report: BatchReport
    ) -> None:
        """Answer the tickets; runs on the event loop, scheduled by `_settle`."""
        for row, outcome, wait in zip(rows, outcomes, report.queue_seconds, strict=True):
            if isinstance(outcome, Exception):
                row.ticket.answer(row.index, outcome)
            else:
                times = wait, report.forward_seconds, report.begun, report.head_seconds
                row.ticket.answer(row.index, Answer(outcome, *times))
        if self._observe:
            self._observe(report)

    # Run by the engine's threads: receive, choose, run, settle.

    def _work(self) -> None:
        self._prepare()
        self._prepared.release()
        while self._step():
            pass

    def _step(self) -> bool:
        """Receive work, choose some of it, run it, and settle it.

        The lock is held to receive and to choose, so that no other thread changes the queue in
        between; waiting in `_receive` releases it. The engine runs without it. No row is
        referenced once the step returns: a thread that waits must not hold residents.

        Returns:
            False when there is no work left and none will follow.
        """
        with self._changed:
            share = self._receive()
            work = self._choose(share)
        thread = threading.get_ident()
        self._running[thread] = self.clock(), {row.resident.task for row in chain(*work.images)}
        if work.call:
            _run_call(*work.call)
        if work.images:
            rows, outcomes, report = self._run(work.images, work.full)
            self._settle(rows, outcomes, report)
        del self._running[thread]
        return not work.is_last

    def _receive(self) -> int:
        """Wait for work; return this thread's share of the waiting rows. Needs the lock."""
        self._free += 1
        self._changed.wait_for(lambda: self._calls or len(self._queue) or self._stopped)
        share = math.ceil(len(self._queue) / self._free)  # other free threads take theirs
        self._free -= 1
        return share

    def _choose(self, share: int) -> _Work:
        """Take a call, or rows of at most `share` images, off the queues. Needs the lock."""
        call = self._next_call()
        # Beside a call it takes no rows: other threads can take them now.
        limit = 0 if call else round_down(self._sizer.next_limit())
        images = self._queue.take(min(limit, round_down(share)), self.clock())
        if len(self._queue):
            self._changed.notify()  # another free thread takes what is left
        is_last = self._stopped and not (call or images or len(self._queue))
        return _Work(call, images, full=len(images) == limit, is_last=is_last)

    def _next_call(self) -> Call | None:
        """Take at most one call between two batches, so that uploads cannot delay requests."""
        call = None
        if self._calls and not (self._called and len(self._queue)):
            call = self._calls.popleft()
        self._called = call is not None
        return call

    def _run(
        self, images: Sequence[Sequence[Row]], full: bool
    ) -> tuple[list[Row], list[Tensor | Exception], BatchReport]:
        """Run a batch; return its rows, the outcome of each, and the report."""
        groups = by_resident(row for rows in images for row in rows)
        begun = self.clock()
        with measured() as heads:
            outcomes = answer(self._forward, groups)
        seconds = self.clock() - begun
        rows = [row for group in groups for row in group]
        tasks = len({group[0].resident.task for group in groups})
        waits = [begun - row.queued for row in rows]
        exemplars = [row.ticket.exemplar for row in rows]
        sizes = len(rows), tasks, len(images)
        found = shares(groups, outcomes, begun)
        report = BatchReport(*sizes, full, waits, begun, seconds, heads.seconds, exemplars, found)
        return rows, outcomes, report

    def _settle(
        self, rows: Sequence[Row], outcomes: Sequence[Tensor | Exception], report: BatchReport
    ) -> None:
        """Learn what the forward cost, and pass the answers on to the event loop."""
        # Failed forwards and their retries say nothing about the cost.
        if not any(isinstance(outcome, Exception) for outcome in outcomes):
            with self._changed:
                self._sizer.observe(report.images, report.forward_seconds)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, rows, outcomes, report)


def _run_call(function: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # the caller gets it; this thread goes on
        future.set_exception(error)
