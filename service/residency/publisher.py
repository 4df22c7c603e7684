"""Publisher of tasks: publish, activate and retire, and follow what other servers do.

An operation on a task runs to its end, alone for that task, off the event loop, and whether or not
the client that asked for it stays connected. The bank is updated last, so a task answers with a
version only after the store says that it is live.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from facet_vision.prompts_store import Store, StoreError, TaskState, Version
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import Draining, TaskUnavailable

from .bank import Bank
from .loader import TaskLoader
from .registry import Registry
from .resolver import TaskResolver

logger = logging.getLogger("facet.service")

T = TypeVar("T")

PARALLEL_REFRESHES = 8
"""Tasks that are refreshed at once after other servers have changed them."""


class EngineThread(Protocol):
    """Runs a function on the engine's thread; see `batcher.Batcher.call`."""

    async def __call__(self, function: Callable[[], T]) -> T: ...


class OperationObserver(Protocol):
    """Called with "publish", "activate", "retire" or "refresh", and the task's name."""

    def __call__(self, operation: str, task: str, /) -> None: ...


class TaskPublisher:
    """Publishes tasks in the store, and makes registry and bank agree with it.

    Only the event loop calls its methods. What reads, writes or encodes runs in threads.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        loader: brings a task file onto the device.
        bank: the resident tasks.
        resolver: loads what other servers have changed.
        smoke_test: lets a resident answer once; called on the engine's thread.
        on_engine: runs a function on the engine's thread.
        observe: called with every operation that is done.

    Attributes:
        closed: whether operations are refused because the server is shutting down.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        loader: TaskLoader,
        bank: Bank,
        resolver: TaskResolver,
        smoke_test: Callable[[Resident], None],
        on_engine: EngineThread,
        observe: OperationObserver,
    ) -> None:
        self._store = store
        self._registry = registry
        self._loader = loader
        self._bank = bank
        self._resolver = resolver
        self._smoke_test = smoke_test
        self._on_engine = on_engine
        self._observe = observe
        # A lock lives while an operation holds or awaits it: names come from clients, so they
        # must not pile up.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[Any]] = set()
        self.closed = False

    def __len__(self) -> int:
        """Return the number of operations under way."""
        return len(self._running)

    async def publish(self, task: str, data: bytes, *, activate: bool, by: str) -> Version:
        """Check an upload to the last number, store it durably, and make it live if `activate`.

        Raises:
            TaskFileError, BackboneError, UnfitTask: it cannot be served under this name by this
                backbone.
            StoreError, DeviceFull: there is no room for it.
            Draining: the server is shutting down.
        """
        return await self._alone(task, self._publish(task, data, activate, by))

    async def activate(self, task: str, version: int, *, by: str) -> None:
        """Make a stored version live once it is ready to answer; nothing happens if it is live."""
        await self._alone(task, self._activate(task, version, by))

    async def retire(self, task: str, *, by: str) -> None:
        """Take a task out of service; requests admitted before still get their answer."""
        await self._alone(task, self._retire(task, by))

    async def refresh(self) -> None:
        """Read the names of the store, and follow what other servers have changed.

        Only tasks on the device are loaded again; of other tasks it is enough to know which
        version is live now.
        """
        changed = self._registry.note(await asyncio.to_thread(self._store.heads))
        tasks = dict.fromkeys([*changed, *self._outdated()])
        limiter = asyncio.Semaphore(PARALLEL_REFRESHES)

        async def follow(task: str) -> None:
            async with limiter:
                await self._alone(task, self._follow(task))

        await asyncio.gather(*map(follow, tasks))

    async def close(self) -> None:
        """Refuse further operations and wait for those under way."""
        self.closed = True
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _alone(self, task: str, operation: Coroutine[Any, Any, T]) -> T:
        """Run an operation after those on the same task that were started before."""
        if self.closed:
            operation.close()  # else Python warns that it was never awaited
            raise Draining("server: expected to take changes, found it shutting down")
        lock = self._locks.setdefault(task, asyncio.Lock())

        async def locked() -> T:
            async with lock:
                return await operation

        running = asyncio.ensure_future(locked())
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)  # it goes on if the client leaves

    async def _publish(self, task: str, data: bytes, activate: bool, by: str) -> Version:
        file = await asyncio.to_thread(self._loader.check, task, data)
        # Version 0 for now: the number comes from the store.
        resident = await asyncio.to_thread(self._loader.place, file, 0)
        await self._on_engine(partial(self._smoke_test, resident))
        version = await asyncio.to_thread(self._store.publish, task, data, by=by)
        self._observe("publish", task)
        if activate:
            await self._go_live(replace(resident, version=version.number), data, by)
        else:
            self._registry.learn(await asyncio.to_thread(self._store.state, task))
        return version

    async def _activate(self, task: str, version: int, by: str) -> None:
        state = await asyncio.to_thread(self._store.state, task)
        state.version(version)  # raises if the store does not have it
        resident = self._bank.find(task)
        if resident is not None and resident.version == state.live == version:
            return
        data = self._bank.data(task, version)
        loaded = await asyncio.to_thread(self._loader.load, task, version, data)
        await self._on_engine(partial(self._smoke_test, loaded.resident))
        if state.live == version:  # it was live already, only not on the device
            self._enter(loaded.resident, loaded.data, state)
        else:
            await self._go_live(loaded.resident, loaded.data, by)

    async def _go_live(self, resident: Resident, data: bytes, by: str) -> None:
        state = await asyncio.to_thread(
            self._store.activate, resident.task, resident.version, by=by
        )
        self._enter(resident, data, state)
        self._observe("activate", resident.task)
        logger.info("task %r: version %d is live", resident.task, resident.version)

    def _enter(self, resident: Resident, data: bytes, state: TaskState) -> None:
        """Enter the live version into registry and bank, in one step of the event loop."""
        self._registry.learn(state)
        self._registry.succeed(resident.task)
        self._bank.put(resident, data)

    async def _retire(self, task: str, by: str) -> None:
        self._registry.learn(await asyncio.to_thread(self._store.retire, task, by=by))
        self._bank.remove(task)
        self._observe("retire", task)
        logger.info("task %r is retired", task)

    def _outdated(self) -> list[str]:
        """Return the tasks on the device with another version than the live one.

        An earlier refresh could not load their live version.
        """
        outdated = []
        for task in self._bank.device:
            resident, entry = self._bank.find(task), self._registry.get(task)
            if resident and entry and resident.version != entry.live:
                outdated.append(task)
        return outdated

    async def _follow(self, task: str) -> None:
        try:
            entry = self._registry.learn(await asyncio.to_thread(self._store.state, task))
        except StoreError as error:
            logger.warning("task %r cannot be read from the store: %s", task, error)
            return
        resident = self._bank.find(task)
        if entry.live is None:
            self._bank.remove(task)
        elif resident is not None and resident.version != entry.live:
            await self._replace(task, entry.live)
        self._observe("refresh", task)

    async def _replace(self, task: str, version: int) -> None:
        """Load the live version of a task on the device; until then, the former one answers."""
        try:
            await self._resolver.load(task, version)
        except TaskUnavailable:
            entry = self._registry.get(task)
            # An outage of the store must not take down a version that still answers; the next
            # refresh tries again.
            if entry is None or entry.failure is None or not entry.failure.passing:
                self._bank.remove(task)
