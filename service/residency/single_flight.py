"""Single flight: work in threads that several callers may wait for and that is done once."""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

from facet_vision.service.errors import TooManyMisses

S = TypeVar("S")
T = TypeVar("T")

SECONDS_SMOOTHING = 0.2
"""Weight of the newest piece of work in the moving average of what one takes."""

MAX_RETRY_AFTER_SECONDS = 60
"""Most seconds after which a refused client is invited to retry."""


@dataclass(eq=False)
class _Work:
    """One piece of work under way.

    Attributes:
        in_thread: the thread's part.
        outcome: what the event loop makes of the thread's result.
        waiters: how many callers wait for the outcome.
    """

    in_thread: Future[Any]
    outcome: asyncio.Task[Any]
    waiters: int = 0


class SingleFlight:
    """Runs work by key in threads of its own; callers with the same key wait for the same work.

    Work that has not begun when its last caller leaves is dropped. Work that has begun is
    finished. Only the event loop calls the methods.

    Args:
        name: of the threads.
        threads: how many pieces of work run at once.
        limit: how many callers may wait.
        clock: seconds, monotonic.

    Attributes:
        waiting: how many callers have reserved a wait.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        limit: int = sys.maxsize,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._limit = limit
        self._clock = clock
        self._under_way: dict[Hashable, _Work] = {}
        self._seconds = 0.0  # moving average of a piece of work
        self.waiting = 0

    @property
    def keys(self) -> list[Hashable]:
        """What work is under way for."""
        return list(self._under_way)

    @contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Reserve `count` waits until the end of the block.

        Raises:
            TooManyMisses: there is no room for them now.
        """
        room = self._limit - self.waiting
        if count > room:
            raise TooManyMisses(
                f"loading: expected room to wait for {count} tasks, found {room}",
                self._retry_after(),
            )
        self.waiting += count
        try:
            yield
        finally:
            self.waiting -= count

    async def once(
        self,
        key: Hashable,
        work: Callable[[], S],
        finish: Callable[[Awaitable[S]], Coroutine[Any, Any, T]],
    ) -> T:
        """Return the outcome of the work under `key`; start it if it is not under way.

        Args:
            key: what the work is for.
            work: runs in a thread.
            finish: awaits the work on the event loop; what it returns or raises is the outcome
                for all callers.
        """
        under_way = self._under_way.get(key) or self._start(key, work, finish)
        under_way.waiters += 1
        try:
            # Shielded: a caller that is cancelled must not cancel the outcome for another.
            outcome: T = await asyncio.shield(under_way.outcome)
            return outcome
        finally:
            self._leave(key, under_way)

    def close(self) -> None:
        """Stop the threads once they finish their current work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(
        self,
        key: Hashable,
        work: Callable[[], S],
        finish: Callable[[Awaitable[S]], Coroutine[Any, Any, T]],
    ) -> _Work:
        in_thread = self._pool.submit(self._timed, work)
        outcome = asyncio.ensure_future(finish(asyncio.wrap_future(in_thread)))
        started = _Work(in_thread, outcome)
        self._under_way[key] = started
        outcome.add_done_callback(lambda _: self._end(key, started))
        return started

    def _leave(self, key: Hashable, under_way: _Work) -> None:
        """Count a caller out; drop the work if nobody waits and it has not begun."""
        under_way.waiters -= 1
        if not under_way.waiters and under_way.in_thread.cancel():
            # Removed at once: the next caller must not wait for work that was dropped.
            self._under_way.pop(key, None)

    def _end(self, key: Hashable, ended: _Work) -> None:
        if self._under_way.get(key) is ended:  # else it was dropped, and the key has new work
            del self._under_way[key]
        if not ended.outcome.cancelled():
            # Retrieved, so that asyncio does not warn of a failure that nobody waits for.
            ended.outcome.exception()

    def _timed(self, work: Callable[[], S]) -> S:
        begun = self._clock()
        try:
            return work()
        finally:
            # Threads may overwrite each other's update: it is only an estimate.
            seconds = self._clock() - begun
            self._seconds += SECONDS_SMOOTHING * (seconds - self._seconds)

    def _retry_after(self) -> int:
        """Return the seconds until the work under way is done, by what a piece of work takes."""
        seconds = math.ceil(len(self._under_way) * self._seconds / self._threads)
        return min(MAX_RETRY_AFTER_SECONDS, max(1, seconds))
