"""Resolver of the live versions: on the device, or loaded from host memory or the store.

Nothing is read before a request needs it: a start lists names only. Loads run in threads of their
own, so batches of other tasks run meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Literal, Protocol

from facet_vision.backbone import BackboneError
from facet_vision.prompts_store import (
    DamagedObject,
    Store,
    StoreError,
    TaskFileError,
    TaskNotFound,
    TaskState,
    VersionNotFound,
)
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import DeviceFull, TaskUnavailable, UnfitTask, UnknownTask

from .bank import Bank
from .loader import LoadedTask, Source, TaskLoader
from .registry import Entry, Registry
from .single_flight import SingleFlight

logger = logging.getLogger("facet.service")

LOAD_THREADS = 8
"""Task files that are read at once: storage answers many as fast as one.

They are encoded one after another; see `TaskLoader`.
"""


FINAL = (TaskFileError, BackboneError, UnfitTask)
"""What loading a version raises where only another version helps."""


class ResolverObserver(Protocol):
    """Counts lookups and loads."""

    def count_lookups(self, found: Literal["device", "host", "store"], count: int) -> None:
        """Count lookups that found their task there."""

    def count_load(self, source: Source, seconds: float) -> None:
        """Count a task that was brought onto the device."""

    def count_load_failure(self) -> None:
        """Count a task that could not be brought onto the device."""

    def count_miss(self, seconds: float) -> None:
        """Count a lookup that waited for its task."""


class TaskResolver:
    """Finds the versions that answer a request. Only the event loop calls its methods.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        loader: brings a task file onto the device.
        bank: the resident tasks.
        observe: called with lookups and loads.
        limit: most lookups that may wait for a load.
        clock: seconds, monotonic.

    Attributes:
        loads: the loads under way, and the histories that requests wait for.
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
        self._observe = observe
        self._clock = clock
        self.loads = SingleFlight("facet-load", threads=LOAD_THREADS, limit=limit, clock=clock)

    def knows(self, task: str) -> bool:
        """Return whether the store has a task of that name, as far as is known without reading."""
        return self._registry.get(task) is not None

    def check(self, task: str) -> Entry:
        """Return the entry of a task that can answer, as far as is known without reading.

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
        # An older version on the device answers, even if the newest could not be loaded.
        if failure is not None and self._bank.find(task) is None:
            raise unavailable(task, failure.reason, failure.passing)
        if entry.state is not None and entry.live is None:
            raise UnknownTask(f"task {task!r}: expected a live task, found it {entry.condition}")
        return entry

    async def residents(
        self, tasks: Sequence[str], *, skip_unavailable: bool = False
    ) -> list[Resident]:
        """Return the versions that are live now; load those that are not on the device.

        Args:
            tasks: names, each once.
            skip_unavailable: leave out the tasks that cannot be served, instead of raising.

        Raises:
            UnknownTask, TaskUnavailable: see `check`.
            TooManyMisses: too many requests wait for tasks to be loaded.
        """
        found = {task: self._bank.get(task) for task in tasks}
        missing = [task for task, resident in found.items() if resident is None]
        self._observe.count_lookups("device", len(found) - len(missing))
        if missing:
            found |= await self._load_missing(missing, skip_unavailable)
        # Skipped tasks are None.
        return [resident for task in tasks if (resident := found[task]) is not None]

    @property
    def loading(self) -> set[str]:
        """The tasks that are being read or brought to the device."""
        keys = self.loads.keys
        return {str(key[0] if isinstance(key, tuple) else key) for key in keys}

    async def load(self, task: str, version: int) -> Resident:
        """Bring a version onto the device; it enters the bank if it is the live one by then.

        Raises:
            TaskUnavailable: it cannot be served.
        """
        data = self._bank.data(task, version)
        return await self.loads.once(
            (task, version),
            partial(self._loader.load, task, version, data),
            partial(self._finish_load, task, version),
        )

    async def version(self, task: str, number: int) -> Resident:
        """Return a stored version. One that is not live is loaded for those who ask, and not kept.

        Raises:
            UnknownTask: the task has no such version.
            TaskUnavailable, TooManyMisses: see `residents`.
        """
        entry = await self.entry(task)
        assert entry.state is not None, "its history has been read"
        if number == entry.live:
            [resident] = await self.residents([task])
            if resident.version == number:  # else another went live meanwhile
                return resident
        if number not in (each.number for each in entry.state.versions):
            raise UnknownTask(f"version of task {task!r}: expected a stored one, found {number}")
        with self.loads.reserve(1):
            return await self.loads.once(
                # Not the key of `load`, of which the version may be made live meanwhile.
                (task, -number),
                partial(self._loader.load, task, number, self._bank.data(task, number)),
                partial(self._finish_version, task),
            )

    async def entry(self, task: str, reads: SingleFlight | None = None) -> Entry:
        """Return the entry of a task with its history, which is read if it is not known yet.

        Args:
            task: its name.
            reads: does the reading; `loads` if None.

        Raises:
            UnknownTask: the store has no task of that name.
            TaskUnavailable: the store cannot be read.
        """
        entry = self._registry.get(task)
        if entry is not None and entry.state is not None:
            return entry
        read = partial(self._store.state, task)
        return await (reads or self.loads).once(task, read, partial(self._finish_read, task))

    async def _load_missing(
        self, tasks: Sequence[str], skip_unavailable: bool
    ) -> dict[str, Resident | None]:
        if not skip_unavailable:
            # All names first: a wrong one must not cost the loads of the other tasks.
            for task in tasks:
                self.check(task)
        with self.loads.reserve(len(tasks)):
            waits = [asyncio.ensure_future(self._miss(task, skip_unavailable)) for task in tasks]
            try:
                return dict(zip(tasks, await asyncio.gather(*waits), strict=True))
            finally:
                for wait in waits:
                    wait.cancel()  # nobody retrieves the rest once one has failed

    async def _miss(self, task: str, skip_unavailable: bool) -> Resident | None:
        """Load the live version of a task that is not on the device."""
        begun = self._clock()
        try:
            await self.entry(task)
            version = self.check(task).live
            assert version is not None, "a task whose history is known passes only while it is live"
            found: Literal["host", "store"] = (
                "store" if self._bank.data(task, version) is None else "host"
            )
            self._observe.count_lookups(found, 1)
            resident = await self._load_live(task, version)
        except (TaskUnavailable, UnknownTask):
            if skip_unavailable:
                return None
            raise
        self._observe.count_miss(self._clock() - begun)
        return resident

    async def _load_live(self, task: str, version: int) -> Resident:
        try:
            return await self.load(task, version)
        except TaskUnavailable:
            live = self.check(task).live
            if live in (None, version):
                raise
            return await self.load(task, live)  # another server had made it live

    # Run once for each piece of work, on the event loop, whatever becomes of the callers.

    async def _finish_read(self, task: str, reading: Awaitable[TaskState]) -> Entry:
        try:
            return self._registry.learn(await reading)
        except TaskNotFound as error:
            raise UnknownTask(str(error)) from error
        except StoreError as error:
            raise self._failed(task, None, error) from error

    async def _finish_load(
        self, task: str, version: int, loading: Awaitable[LoadedTask]
    ) -> Resident:
        try:
            loaded = await loading
        except VersionNotFound as error:
            # Another server has deleted it, so it is not the live one any more.
            await self._learn_again(task)
            raise self._failed(task, version, error) from error
        except (StoreError, DeviceFull, *FINAL) as error:
            raise self._failed(task, version, error) from error
        self._observe.count_load(loaded.source, loaded.seconds)
        entry = self._registry.succeed(task)
        # Another version may have gone live meanwhile. The requests that wait were bound before,
        # and get the version that they waited for.
        if entry is not None and entry.live == version:
            self._bank.put(loaded.resident, loaded.data)
        return loaded.resident

    async def _finish_version(self, task: str, loading: Awaitable[LoadedTask]) -> Resident:
        try:
            loaded = await loading
        except (StoreError, DeviceFull, *FINAL) as error:
            # Of the live version this tells nothing, so nothing is remembered.
            raise unavailable(task, str(error), not isinstance(error, FINAL)) from error
        self._observe.count_load(loaded.source, loaded.seconds)
        return loaded.resident

    async def _learn_again(self, task: str) -> None:
        with suppress(StoreError):
            state = await asyncio.to_thread(self._store.state, task)
            if self._registry.learn(state).live is None:
                self._bank.remove(task)

    def _failed(self, task: str, version: int | None, error: Exception) -> TaskUnavailable:
        logger.warning("task %r cannot be loaded: %s", task, error)
        self._observe.count_load_failure()
        final = isinstance(error, FINAL)
        passing = not (final or isinstance(error, DamagedObject))
        self._registry.fail(task, version, str(error), final=final, passing=passing)
        return unavailable(task, str(error), passing)


def unavailable(task: str, reason: str, passing: bool) -> TaskUnavailable:
    """Return the error of a task whose live version cannot be served; `passing` if it may be."""
    return TaskUnavailable(
        f"task {task!r}: expected a version that can be served, found: {reason}", passing
    )
