"""Publisher of tasks: publish, activate, retire and delete, and follow what other servers do.

An operation on a task runs to its end, alone for that task, off the event loop, and whether or not
the client that asked for it stays connected. The bank is updated last, so a task answers with a
version only after the store says that it is live. Where the store refuses an operation, this server
did not know what another one has done; so it learns that before the refusal is answered.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from facet_vision.prompts_store import Store, StoreFull, StoreUnavailable, TaskState, Version
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import Draining

from .bank import Bank
from .follower import StoreFollower
from .loader import TaskLoader
from .registry import Registry
from .samples import check_samples

logger = logging.getLogger("facet.service")

T = TypeVar("T")
Operation = Callable[[], Coroutine[Any, Any, T]]

PARALLEL_REFRESHES = 8
"""Tasks that are refreshed at once after other servers have changed them."""


class EngineThread(Protocol):
    """Runs a function on the engine's thread; see `batcher.Batcher.call`."""

    async def __call__(self, function: Callable[[], T]) -> T: ...


class OperationObserver(Protocol):
    """Called with "publish", "activate", "retire", "delete" or "refresh", and the task's name."""

    def __call__(self, operation: str, task: str, /) -> None: ...


@dataclass(frozen=True)
class Publication:
    """What became of an upload.

    Attributes:
        version: the one that holds its bytes.
        created: whether it is new; the same bytes may have been stored before.
        live: whether it is the live one.
    """

    version: Version
    created: bool
    live: bool


class TaskPublisher:
    """Publishes tasks in the store, and makes registry and bank agree with it.

    Only the event loop calls its methods. What reads, writes or encodes runs in threads.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        loader: brings a task file onto the device.
        bank: the resident tasks.
        follower: makes registry and bank agree with the store.
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
        follower: StoreFollower,
        smoke_test: Callable[[Resident], None],
        on_engine: EngineThread,
        observe: OperationObserver,
    ) -> None:
        self._store = store
        self._registry = registry
        self._loader = loader
        self._bank = bank
        self._follower = follower
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

    async def publish(self, task: str, data: bytes, *, activate: bool, by: str) -> Publication:
        """Check an upload to the last number, store it durably, and make it live if `activate`.

        Where the same bytes are stored as a version, nothing more is written for them.

        Raises:
            TaskFileError, BackboneError, UnfitTask: it cannot be served under this name by this
                backbone.
            StoreError, DeviceFull: there is no room for it.
            Draining: the server is shutting down.
        """
        return await self._change(task, partial(self._publish, task, data, activate, by))

    async def activate(self, task: str, version: int, *, by: str) -> None:
        """Make a stored version live once it is ready to answer; nothing happens if it is live."""
        await self._change(task, partial(self._activate, task, version, by))

    async def retire(self, task: str, *, by: str) -> None:
        """Take a task out of service; requests admitted before still get their answer."""
        await self._change(task, partial(self._retire, task, by))

    async def delete(self, task: str, version: int, *, by: str) -> None:
        """Delete a version that is not live, in the store and in host memory.

        Raises:
            VersionLive: it is the live one.
            StoreError: it is not there, or the store failed.
        """
        await self._change(task, partial(self._delete, task, version, by))

    async def change(self, task: str, operation: Operation[T]) -> T:
        """Run an operation on a task alone, as the others run, whether or not anybody waits for it.

        Raises:
            Draining: the server is shutting down.
        """
        return await self._change(task, operation)

    async def supersede(self, task: str, former: int | None, data: bytes, *, by: str) -> Version:
        """Publish a version and make it live in the place of `former`, None for no live version.

        To be called by an operation of `change`.

        Raises:
            StoreConflict: another server has made another version live.
            TaskFileError, BackboneError, UnfitTask, StoreError, DeviceFull: see `publish`.
        """
        resident = await self._tested(task, data)
        version = await asyncio.to_thread(self._store.publish, task, data, by=by)
        self._observe("publish", task)
        state = await asyncio.to_thread(self._store.supersede, task, former, version.number, by=by)
        self._entered(replace(resident, version=version.number), data, state)
        return version

    async def refresh(self) -> None:
        """Read the names of the store, and follow what other servers have changed.

        Only tasks on the device are loaded again; of other tasks it is enough to know which
        version is live now.
        """
        changed = self._registry.note(await asyncio.to_thread(self._store.heads))
        tasks = dict.fromkeys([*changed, *self._follower.outdated()])
        limiter = asyncio.Semaphore(PARALLEL_REFRESHES)

        async def follow(task: str) -> None:
            async with limiter:
                await self._alone(task, partial(self._follow, task))

        await asyncio.gather(*map(follow, tasks))

    async def close(self) -> None:
        """Refuse further operations and wait for those under way."""
        self.closed = True
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _change(self, task: str, operation: Operation[T]) -> T:
        """Run an operation alone; if it is refused, learn what the store says before that is told.

        Where the storage does not answer it would have nothing to say, and slowly.
        """

        async def changed() -> T:
            try:
                return await operation()
            except Exception as error:
                is_away = isinstance(error, StoreUnavailable) and not isinstance(error, StoreFull)
                if self._registry.get(task) is not None and not is_away:
                    await self._follower.follow(task)
                raise

        return await self._alone(task, changed)

    async def _alone(self, task: str, operation: Operation[T]) -> T:
        """Run an operation after those on the same task that were started before."""
        if self.closed:
            raise Draining("server: expected to take changes, found it shutting down")
        lock = self._locks.setdefault(task, asyncio.Lock())

        async def locked() -> T:
            async with lock:
                return await operation()

        running = asyncio.ensure_future(locked())
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)  # it goes on if the client leaves

    async def _publish(self, task: str, data: bytes, activate: bool, by: str) -> Publication:
        resident = await self._tested(task, data)
        version = await asyncio.to_thread(self._store.find, task, data)
        created = version is None
        if version is None:
            version = await asyncio.to_thread(self._store.publish, task, data, by=by)
            self._observe("publish", task)
        state = await asyncio.to_thread(self._store.state, task)
        is_live = state.live == version.number
        if is_live:
            self._follower.enter(replace(resident, version=version.number), data, state)
        elif activate:
            await self._go_live(replace(resident, version=version.number), data, by)
        else:
            await self._follower.agree(state)
        return Publication(version, created, activate or is_live)

    async def _tested(self, task: str, data: bytes) -> Resident:
        """Return the resident that a file makes, once it has answered."""
        file = await asyncio.to_thread(self._loader.check, task, data)
        if file.samples:
            await asyncio.to_thread(check_samples, file)
        # Version 0 for now: the number comes from the store.
        resident = await asyncio.to_thread(self._loader.place, file, 0)
        await self._on_engine(partial(self._smoke_test, resident))
        return resident

    async def _activate(self, task: str, version: int, by: str) -> None:
        state = await asyncio.to_thread(self._store.state, task)
        state.version(version)  # raises if the store does not have it
        resident = self._bank.find(task)
        if resident is not None and resident.version == state.live == version:
            await self._follower.agree(state)
            return
        data = self._bank.data(task, version)
        loaded = await asyncio.to_thread(self._loader.load, task, version, data)
        await self._on_engine(partial(self._smoke_test, loaded.resident))
        if state.live == version:  # it was live already, only not on the device
            self._follower.enter(loaded.resident, loaded.data, state)
        else:
            await self._go_live(loaded.resident, loaded.data, by)

    async def _go_live(self, resident: Resident, data: bytes, by: str) -> None:
        state = await asyncio.to_thread(
            self._store.activate, resident.task, resident.version, by=by
        )
        self._entered(resident, data, state)

    def _entered(self, resident: Resident, data: bytes, state: TaskState) -> None:
        """Serve a version that has just become the live one."""
        self._follower.enter(resident, data, state)
        self._observe("activate", resident.task)
        logger.info("task %r: version %d is live", resident.task, resident.version)

    async def _retire(self, task: str, by: str) -> None:
        await self._follower.agree(await asyncio.to_thread(self._store.retire, task, by=by))
        self._observe("retire", task)
        logger.info("task %r is retired", task)

    async def _delete(self, task: str, version: int, by: str) -> None:
        state = await asyncio.to_thread(self._store.delete, task, version, by=by)
        await self._follower.agree(state)
        self._bank.drop(task, version)
        self._observe("delete", task)
        logger.info("task %r: version %d is deleted", task, version)

    async def _follow(self, task: str) -> None:
        if await self._follower.follow(task):
            self._observe("refresh", task)
