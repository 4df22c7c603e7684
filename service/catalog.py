"""What the store says, brought into the bank: publish, activate, retire, and keeping up with other servers.

A change of a task runs to its end, alone for that task, off the event loop, and whether or not the client who asked
for it stays. The bank is touched last, so a task answers with a version only after the store says that it is live.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar
from weakref import WeakValueDictionary

from backbone import BackboneError
from prompts_store import BackboneFacts, Store, StoreError, TaskFile, TaskFileError, TaskState, Version

from .bank import Bank, Resident
from .engine import Engine
from .errors import Draining, TaskUnavailable, UnfitTask, UnknownTask

logger = logging.getLogger("facet.service")

T = TypeVar("T")

PARALLEL_LOADS = 8
"""Task files that a start or a refresh holds in memory at once."""

Condition = Literal["live", "retired", "unavailable", "unpublished"]


class EngineThread(Protocol):
    """Runs a function on the engine's thread; see `batcher.Batcher.call`."""

    async def __call__(self, function: Callable[[], T]) -> T: ...


class ChangeObserver(Protocol):
    """Is told that a task was published, activated, retired or refreshed."""

    def __call__(self, change: str, task: str) -> None: ...


@dataclass(frozen=True)
class Entry:
    """A task as this server knows it.

    Attributes:
        state: what the store said last.
        reason: why its live version is not in the bank; None if it is, or if there is none.
        retry: whether the reason may pass by itself, as a store that cannot be reached may.
    """

    state: TaskState
    reason: str | None = None
    retry: bool = False

    @property
    def condition(self) -> Condition:
        """What the list of tasks calls its state."""
        if self.reason is not None:
            return "unavailable"
        if self.state.live is not None:
            return "live"
        return "retired" if any(event.event == "activate" for event in self.state.events) else "unpublished"


class Catalog:
    """The tasks of a store, and the bank that holds the live ones.

    Args:
        store: where task files and their history are.
        bank: filled and emptied here only.
        engine: brings a task file onto the device.
        on_engine: runs a function on the engine's thread.
        facts: what a task file must fit.
        observe: told about every change.

    Attributes:
        closed: whether changes are refused because the server is shutting down.
    """

    def __init__(
        self,
        store: Store,
        bank: Bank,
        engine: Engine,
        on_engine: EngineThread,
        facts: BackboneFacts,
        observe: ChangeObserver,
    ) -> None:
        self._store, self._bank, self._engine, self._on_engine = store, bank, engine, on_engine
        self._facts, self._observe = facts, observe
        self._entries: dict[str, Entry] = {}
        # A lock lives while somebody holds or awaits it: names come from clients, so they must not pile up.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._changes: set[asyncio.Task[Any]] = set()
        self.closed = False

    # Reading.

    def entries(self) -> Iterator[Entry]:
        """Every known task, by name."""
        return iter([self._entries[name] for name in sorted(self._entries)])

    def live(self) -> list[str]:
        """Names of the tasks that answer, in order."""
        return sorted(resident.task for resident in self._bank)

    def find(self, task: str) -> Resident | None:
        """The live resident of a task, if it has one."""
        return self._bank.get(task)

    def resident(self, task: str) -> Resident:
        """The live resident of a task.

        Raises:
            UnknownTask: nothing of that name is live.
            TaskUnavailable: it is live in the store, but this server cannot serve it.
        """
        resident = self._bank.get(task)
        if resident is not None:
            return resident
        entry = self._entries.get(task)
        if entry is None:
            raise UnknownTask(f"task: expected one of those that GET /v1/tasks lists, found {task[:128]!r}")
        if entry.reason is not None:
            raise TaskUnavailable(f"task {task!r}: expected a version that can be served, found: {entry.reason}")
        raise UnknownTask(f"task {task!r}: expected a live task, found it {entry.condition}")

    async def entry(self, task: str) -> Entry:
        """A task with its newest history, read from the store."""
        state = await asyncio.to_thread(self._store.state, task)
        known = self._entries.get(task)
        if known:
            return replace(known, state=state)
        return Entry(state, "another server published it" if state.live else None)

    async def read(self, task: str, version: int) -> tuple[Version, bytes]:
        """The record and the bytes of a stored version."""

        def both() -> tuple[Version, bytes]:
            return self._store.state(task).version(version), self._store.read(task, version)

        return await asyncio.to_thread(both)

    # Changing.

    async def publish(self, task: str, data: bytes, *, activate: bool, by: str) -> Version:
        """Check an upload to the last number, store it durably, and make it live if so asked.

        Raises:
            TaskFileError, BackboneError, UnfitTask: it cannot be served under this name by this backbone.
        """
        return await self._change(task, self._publish(task, data, activate, by))

    async def activate(self, task: str, version: int, *, by: str) -> None:
        """Make a stored version live once it is ready to answer; nothing happens if it already is."""
        await self._change(task, self._activate(task, version, by))

    async def retire(self, task: str, *, by: str) -> None:
        """Take a task out of service; requests admitted before still get their answer."""
        await self._change(task, self._retire(task, by))

    async def refresh(self) -> None:
        """Make the bank agree with the store: all of it at the start, later what other servers changed.

        A task that cannot be served is kept in the list with its reason.
        """
        heads = await asyncio.to_thread(self._store.heads)
        stale = [task for task, head in heads.items() if self._is_stale(task, head)]
        few = asyncio.Semaphore(PARALLEL_LOADS)

        async def reload(task: str) -> None:
            async with few:
                await self._change(task, self._reload(task))

        await asyncio.gather(*map(reload, stale))

    async def close(self) -> None:
        """Refuse further changes and wait for those under way."""
        self.closed = True
        await asyncio.gather(*self._changes, return_exceptions=True)

    def _is_stale(self, task: str, head: int) -> bool:
        entry = self._entries.get(task)
        return entry is None or entry.retry or entry.state.head < head

    async def _change(self, task: str, change: Coroutine[Any, Any, T]) -> T:
        if self.closed:
            change.close()
            raise Draining("server: expected to take changes, found it shutting down")
        lock = self._locks.setdefault(task, asyncio.Lock())

        async def alone() -> T:
            async with lock:
                return await change

        running = asyncio.ensure_future(alone())
        self._changes.add(running)
        running.add_done_callback(self._changes.discard)
        return await asyncio.shield(running)

    async def _publish(self, task: str, data: bytes, activate: bool, by: str) -> Version:
        resident = await self._settle(task, 0, data)
        version = await asyncio.to_thread(self._store.publish, task, data, by=by)
        self._observe("publish", task)
        if activate:
            await self._go_live(replace(resident, version=version.number), by)
        else:
            self._entries[task] = await self.entry(task)
        return version

    async def _activate(self, task: str, version: int, by: str) -> None:
        state = await asyncio.to_thread(self._store.state, task)
        state.version(version)
        live = self._bank.get(task)
        if state.live == version and live is not None and live.version == version:
            return
        data = await asyncio.to_thread(self._store.read, task, version)
        await self._go_live(await self._settle(task, version, data), by)

    async def _go_live(self, resident: Resident, by: str) -> None:
        state = await asyncio.to_thread(self._store.activate, resident.task, resident.version, by=by)
        self._bank.put(resident)
        self._entries[resident.task] = Entry(state)
        self._observe("activate", resident.task)
        logger.info("task %r: version %d is live", resident.task, resident.version)

    async def _retire(self, task: str, by: str) -> None:
        state = await asyncio.to_thread(self._store.retire, task, by=by)
        self._bank.remove(task)
        self._entries[task] = Entry(state)
        self._observe("retire", task)
        logger.info("task %r is retired", task)

    async def _reload(self, task: str) -> None:
        try:
            self._entries[task] = await self._follow(await asyncio.to_thread(self._store.state, task))
        except StoreError as error:
            logger.warning("task %r cannot be read from the store: %s", task, error)

    async def _follow(self, state: TaskState) -> Entry:
        """Make the bank agree with a state of the store."""
        resident = self._bank.get(state.name)
        if state.live is None:
            self._bank.remove(state.name)
        elif resident is None or resident.version != state.live:
            try:
                data = await asyncio.to_thread(self._store.read, state.name, state.live)
                self._bank.put(await self._settle(state.name, state.live, data))
            except StoreError as error:  # an outage of the store must not take down what still answers
                return Entry(state, None if resident else str(error), retry=True)
            except (TaskFileError, BackboneError, UnfitTask) as error:
                self._bank.remove(state.name)
                logger.warning("task %r is unavailable: %s", state.name, error)
                return Entry(state, str(error))
        self._observe("refresh", state.name)
        return Entry(state)

    async def _settle(self, task: str, version: int, data: bytes) -> Resident:
        file = await asyncio.to_thread(self._checked, task, data)
        return await self._on_engine(lambda: self._engine.settle(file, version))

    def _checked(self, task: str, data: bytes) -> TaskFile:
        file = TaskFile.from_bytes(data)
        if file.manifest.task != task:
            raise UnfitTask(f"task: expected {task!r} as in the path, found {file.manifest.task!r} in the manifest")
        file.check_fits(self._facts)
        return file
