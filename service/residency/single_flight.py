"""Work in threads that many may wait for and that is done once."""

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


@dataclass(eq=False)
class _Flight:
    """One piece of work: the thread's part, what the event loop makes of it, and how many wait for that."""

    working: Future[Any]
    landing: asyncio.Task[Any]
    waiters: int = 0


class SingleFlight:
    """Runs work by key in threads of its own; who asks for a key that is under way waits for the same work.

    Work that has not begun when the last who waits for it leaves is dropped. Work that has begun is finished.

    Args:
        name: of the threads.
        threads: how many pieces of work run at once.
        limit: how many may wait.
        clock: seconds, monotonic.

    Attributes:
        waiting: how many wait.
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
        self._threads, self._limit, self._clock = threads, limit, clock
        self._flights: dict[Hashable, _Flight] = {}
        self._seconds = 0.0
        self.waiting = 0

    @contextmanager
    def waiters(self, count: int) -> Iterator[None]:
        """Reserve places for so many who wait.

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
        land: Callable[[Awaitable[S]], Coroutine[Any, Any, T]],
    ) -> T:
        """Wait for the work under `key`; begin it if it is not under way.

        Args:
            work: runs in a thread.
            land: awaits the work on the event loop and makes of its result, or its failure, what all who wait get.
        """
        flight = self._flights.get(key) or self._begin(key, work, land)
        flight.waiters += 1
        try:
            result: T = await asyncio.shield(flight.landing)
            return result
        finally:
            flight.waiters -= 1
            if not flight.waiters and flight.working.cancel():
                self._flights.pop(
                    key, None
                )  # at once: who comes next must not wait for what was dropped

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(
        self,
        key: Hashable,
        work: Callable[[], S],
        land: Callable[[Awaitable[S]], Coroutine[Any, Any, T]],
    ) -> _Flight:
        working = self._pool.submit(self._timed, work)
        landing = asyncio.ensure_future(land(asyncio.wrap_future(working)))
        flight = self._flights[key] = _Flight(working, landing)
        landing.add_done_callback(lambda _: self._end(key, flight))
        return flight

    def _end(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.landing.cancelled():
            flight.landing.exception()  # seen, even where nobody waits for it any more

    def _timed(self, work: Callable[[], S]) -> S:
        begun = self._clock()
        try:
            return work()
        finally:
            self._seconds += 0.2 * (
                self._clock() - begun - self._seconds
            )  # threads may mix: it is an estimate

    def _retry_after(self) -> int:
        return min(60, max(1, math.ceil(len(self._flights) * self._seconds / self._threads)))
