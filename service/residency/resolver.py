"""The live tasks as requests find them: on the device, or brought back to it from host memory or the store.

Nothing is read before somebody asks for it: a start lists names only. Loads run in threads of their own, so batches of
other tasks go on meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Literal, Protocol

from facet_vision.backbone import BackboneError
from facet_vision.prompts_store import Store, StoreError, TaskFileError, TaskNotFound, TaskState
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import DeviceFull, TaskUnavailable, UnfitTask, UnknownTask

from .bank import Bank
from .loader import LoadedTask, Source, TaskLoader
from .registry import Entry, Registry
from .single_flight import SingleFlight

logger = logging.getLogger("facet.service")

LOAD_THREADS = 8
"""Task files that are read at once: storage answers many as fast as one. They are encoded one after another."""


class ResolverObserver(Protocol):
    """Is told how lookups go."""

    def count_lookups(self, found: Literal["device", "host", "store"], count: int) -> None:
        """So many lookups found their task there."""

    def count_load(self, source: Source, seconds: float) -> None:
        """A task was brought onto the device."""

    def count_load_failure(self) -> None:
        """A task could not be brought onto the device."""

    def count_miss(self, seconds: float) -> None:
        """A lookup waited so long for its task."""


class TaskResolver:
    """Finds what a request is to be answered with.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        loader: brings a task file onto the device.
        bank: the tasks at hand.
        observe: told how lookups go.
        limit: most lookups that may wait for a load.
        clock: seconds, monotonic.

    Attributes:
        loads: the loads under way.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        loader: TaskLoader,
        bank: Bank,
        observe: ResolverObserver,
        *,
        limit: int,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._store = store
        self._registry = registry
        self._loader = loader
        self._bank = bank
        self.loads = SingleFlight("facet-load", threads=LOAD_THREADS, limit=limit, clock=clock)
        self._observe, self._clock = observe, clock

    def check(self, task: str) -> Entry:
        """What is known of a task that can be asked, as far as that can be told without reading anything.

        Raises:
            UnknownTask: nothing of that name is live.
            TaskUnavailable: it is live in the store, but this server cannot serve it.
        """
        entry = self._registry.get(task)
        if entry is None:
            raise UnknownTask(
                f"task: expected one of those that GET /v1/tasks lists, found {task[:128]!r}"
            )
        failure = self._registry.current_failure(entry)
        if failure is not None and self._bank.find(task) is None:
            raise _unavailable(task, failure.reason)
        if entry.state is not None and entry.live is None:
            raise UnknownTask(f"task {task!r}: expected a live task, found it {entry.condition}")
        return entry

    async def residents(
        self, tasks: Sequence[str], *, skip_unavailable: bool = False
    ) -> list[Resident]:
        """The versions that are live now, for a request to be bound to; those not on the device are brought there.

        Args:
            tasks: names, each once.
            skip_unavailable: leave those out that turn out not to be served, instead of raising.

        Raises:
            UnknownTask, TaskUnavailable: see `check`.
            TooManyMisses: too many wait for tasks to be loaded.
        """
        found = {task: self._bank.get(task) for task in tasks}
        missing = [task for task, resident in found.items() if resident is None]
        self._observe.count_lookups("device", len(found) - len(missing))
        if missing:
            found |= await self._missed(missing, skip_unavailable)
        return [resident for task in tasks if (resident := found[task]) is not None]

    async def load(self, task: str, version: int) -> Resident:
        """Bring a version onto the device; it enters the bank if it is the live one by then.

        Raises:
            TaskUnavailable: it cannot be served.
        """
        data = self._bank.data(task, version)
        return await self.loads.once(
            (task, version),
            partial(self._loader.open, task, version, data),
            partial(self._landed, task, version),
        )

    async def entry(self, task: str, flights: SingleFlight | None = None) -> Entry:
        """What is known of a task, its history included; that is read, by `flights`, if nobody has asked for it yet.

        Raises:
            UnknownTask: the store has none of that name.
            TaskUnavailable: the store cannot be read.
        """
        entry = self._registry.get(task)
        if entry is not None and entry.state is not None:
            return entry
        read = partial(self._store.state, task)
        return await (flights or self.loads).once(task, read, partial(self._learned, task))

    async def _missed(
        self, tasks: Sequence[str], skip_unavailable: bool
    ) -> dict[str, Resident | None]:
        if not skip_unavailable:
            for task in tasks:
                self.check(
                    task
                )  # all names first: one that is wrong must not cost loads of the others
        with self.loads.waiters(len(tasks)):
            waits = [asyncio.ensure_future(self._awaited(task, skip_unavailable)) for task in tasks]
            try:
                return dict(zip(tasks, await asyncio.gather(*waits), strict=True))
            finally:
                for wait in waits:
                    wait.cancel()  # of those that still run, nobody will hear once one has failed

    async def _awaited(self, task: str, skip_unavailable: bool) -> Resident | None:
        begun = self._clock()
        try:
            await self.entry(task)
            version = self.check(task).live
            assert version is not None, "a task whose history is known passes only while it is live"
            self._observe.count_lookups(
                "store" if self._bank.data(task, version) is None else "host", 1
            )
            resident = await self.load(task, version)
        except (TaskUnavailable, UnknownTask):
            if skip_unavailable:
                return None
            raise
        self._observe.count_miss(self._clock() - begun)
        return resident

    async def _learned(self, task: str, reading: Awaitable[TaskState]) -> Entry:
        try:
            return self._registry.learn(await reading)
        except TaskNotFound as error:
            raise UnknownTask(str(error)) from error
        except StoreError as error:
            raise self._failed(task, None, error, passing=True) from error

    async def _landed(self, task: str, version: int, opening: Awaitable[LoadedTask]) -> Resident:
        try:
            opened = await opening
        except (StoreError, DeviceFull) as error:
            raise self._failed(task, version, error, passing=True) from error
        except (TaskFileError, BackboneError, UnfitTask) as error:
            raise self._failed(task, version, error, passing=False) from error
        self._observe.count_load(opened.source, opened.seconds)
        entry = self._registry.succeed(task)
        # Another version may have gone live meanwhile. Those who wait were bound before, and get what they waited for.
        if entry is not None and entry.live == version:
            self._bank.put(opened.resident, opened.data)
        return opened.resident

    def _failed(
        self, task: str, version: int | None, error: Exception, *, passing: bool
    ) -> TaskUnavailable:
        logger.warning("task %r cannot be loaded: %s", task, error)
        self._observe.count_load_failure()
        self._registry.fail(task, version, str(error), passing=passing)
        return _unavailable(task, str(error))


def _unavailable(task: str, reason: str) -> TaskUnavailable:
    return TaskUnavailable(f"task {task!r}: expected a version that can be served, found: {reason}")
