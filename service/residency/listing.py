"""Listing of the tasks: pages of them, one of them, a stored file, and the names that are live."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal

from facet_vision.prompts_store import (
    BackboneFacts,
    Event,
    Manifest,
    Preview,
    Store,
    StoreError,
    TaskFileError,
    TaskState,
    Version,
)
from facet_vision.prompts_store.fits import trusted
from facet_vision.prompts_store.header import header_end
from facet_vision.prompts_store.metrics import ranked
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import TaskUnavailable, UnknownTask

from .bank import Bank, StoredFile
from .follower import StoreFollower
from .lru import LruCache
from .recent import newest
from .registry import Condition, Entry, Failure, Registry
from .resolver import TaskResolver
from .single_flight import SingleFlight

HEADER_CACHE_BYTES = 32 * 1024 * 1024
"""Budget of the cached headers of task files, so that repeated lists do not read them again."""

READ_THREADS = 8
"""Histories and headers that are read at once, apart from the loads that requests wait for."""

HISTORIES_AT_ONCE = 256
"""Histories that are awaited together where all are needed."""

MANY_TASKS = 2_000
"""The histories of more are looked through on a thread: the event loop would notice."""

Place = Literal["device", "host", "store"]


@dataclass(frozen=True)
class Listed:
    """A task as a list shows it.

    The HTTP schemas `TaskSummary` and `TaskDetail` read these attributes and properties by name.

    Attributes:
        entry: the task's history, and why it cannot be served, if so.
        manifest: of the live version, if there is one and it can be read.
        resident: the live version, if it is on the device.
        place: the fastest memory tier that holds the live version, if there is one.
    """

    entry: Entry
    manifest: Manifest | None = None
    resident: Resident | None = None
    place: Place | None = None

    @property
    def task(self) -> str:
        """The task's name."""
        return self.entry.name

    @property
    def state(self) -> Condition:
        """Whether the task is live, retired, unavailable or unpublished."""
        return self.entry.condition

    @property
    def reason(self) -> str | None:
        """Why the task is unavailable."""
        return self.entry.reason

    @property
    def note(self) -> str | None:
        """What of the live version could not be compared with the backbone, or loaded yet."""
        if self.resident is not None and self.entry.live not in (None, self.resident.version):
            return (
                f"version {self.entry.live} is live in the store and could not be loaded yet; "
                f"version {self.resident.version} answers until then"
            )
        return trusted(self.manifest) if self.manifest else None

    @property
    def live(self) -> int | None:
        """Number of the version that answers: an older one while the store's is not loaded yet."""
        return self.resident.version if self.resident else self.entry.live

    @property
    def versions(self) -> int | None:
        """Number of versions in the store; None if the history cannot be read."""
        return len(self.stored) if self.entry.state else None

    @property
    def method(self) -> str | None:
        """How the live version was trained."""
        return self.manifest.method if self.manifest else None

    @property
    def description(self) -> str | None:
        """The manifest's description; None if it is empty."""
        return (self.manifest.description or None) if self.manifest else None

    @property
    def labels(self) -> list[str] | None:
        """Class labels of the live version."""
        return list(self.manifest.labels) if self.manifest else None

    @property
    def activation(self) -> str | None:
        """What turns the live version's logits into scores."""
        return self.manifest.activation if self.manifest else None

    @property
    def metrics(self) -> dict[str, float] | None:
        """Metrics of the live version on held-out data, the task's main one first."""
        manifest = self.manifest
        return ranked(manifest.metrics, manifest.activation) if manifest else None

    @property
    def size(self) -> int | None:
        """Bytes of the live version's task file."""
        if self.manifest is None:
            return None
        return next((each.size for each in self.stored if each.number == self.live), None)

    @property
    def resident_bytes(self) -> int | None:
        """Bytes on the device, if the live version is there."""
        return self.resident.nbytes if self.resident else None

    @property
    def history(self) -> Sequence[Event]:
        """All events of the task, oldest first."""
        return self.entry.state.events if self.entry.state else ()

    @property
    def stored(self) -> Sequence[Version]:
        """All versions in the store, ascending."""
        return self.entry.state.versions if self.entry.state else ()

    @property
    def next_version(self) -> int:
        """Number that the next new version will have."""
        return self.entry.state.last + 1 if self.entry.state else 1


class Listing:
    """Describes the tasks; reads histories and headers of task files that are not known yet.

    Only the event loop calls its methods.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        bank: the resident tasks.
        resolver: reads histories.
        follower: makes registry and bank agree with the store.
        facts: what a task must fit.

    Attributes:
        reads: the reads under way.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        bank: Bank,
        resolver: TaskResolver,
        follower: StoreFollower,
        facts: BackboneFacts,
    ) -> None:
        self._store = store
        self._registry = registry
        self._bank = bank
        self._resolver = resolver
        self._follower = follower
        self._facts = facts
        self.reads = SingleFlight("facet-list", threads=READ_THREADS)
        self._headers: LruCache[StoredFile] = LruCache(HEADER_CACHE_BYTES)

    def __len__(self) -> int:
        """Return the number of tasks in the store, those out of service included."""
        return len(self._registry)

    async def page(
        self, after: str, limit: int, sees: Callable[[str], bool] = lambda _: True
    ) -> list[Listed]:
        """Return up to `limit` tasks whose names follow `after`, in order.

        Args:
            after: a name, which need not exist.
            limit: most tasks.
            sees: says of a name whether it may be listed.
        """
        names = self._registry.names()
        following = islice(names, bisect_right(names, after), None)
        page = islice(filter(sees, following), limit)
        return await asyncio.gather(*map(self._listed, page))

    async def live(self) -> list[str]:
        """Return the names of the live tasks, in order; reads histories that are not known yet."""
        return [entry.name for entry in await self.live_entries()]

    async def live_entries(self) -> list[Entry]:
        """Return the live tasks by name, with histories, which are read if not known yet."""
        names = self._registry.names()
        unread = [name for name in names if not self._registry.is_read(name)]
        for start in range(0, len(unread), HISTORIES_AT_ONCE):
            await asyncio.gather(*map(self._entry, unread[start : start + HISTORIES_AT_ONCE]))
        entries = map(self._registry.get, names)
        return [entry for entry in entries if entry and entry.condition == "live"]

    async def newest(
        self, limit: int, sees: Callable[[str], bool]
    ) -> tuple[list[tuple[str, Event]], int]:
        """Return the last events of all tasks together, from memory; see `recent.newest`.

        Where a few histories are missing, they are read before.
        """
        unread = [entry.name for entry in self._registry.entries() if entry.state is None]
        if len(unread) <= HISTORIES_AT_ONCE:
            await asyncio.gather(*map(self._entry, unread))
        entries = self._registry.entries()
        if len(entries) <= MANY_TASKS:
            return newest(entries, limit, sees)
        return await asyncio.to_thread(newest, entries, limit, sees)

    async def find(self, task: str) -> Listed:
        """Return a task as a page lists it.

        Raises:
            UnknownTask: there is none of that name.
        """
        if self._registry.get(task) is None:
            raise UnknownTask(
                f"Request for unknown model: {task[:128]!r} is not one of those listed"
            )
        return await self._listed(task)

    async def show(self, task: str) -> Listed:
        """Return a task with its newest history, read from the store, with which it then agrees.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        await self._follower.agree(await asyncio.to_thread(self._store.state, task))
        return await self._listed(task)

    async def read(self, task: str, version: int) -> tuple[Version, bytes]:
        """Return the record and the bytes of a stored version.

        Raises:
            StoreError: it is not there, or cannot be read.
        """

        def both() -> tuple[Version, bytes]:
            return self._store.state(task).version(version), self._store.read(task, version)

        return await asyncio.to_thread(both)

    async def _entry(self, task: str) -> Entry:
        """Return the entry of a task with its history, or with the reason why it has none."""
        with suppress(TaskUnavailable, UnknownTask):  # the entry has the reason
            await self._resolver.entry(task, self.reads)
        return self._registry.get(task) or Entry(task)

    async def _listed(self, task: str) -> Listed:
        entry = await self._entry(task)
        resident = self._bank.find(task)
        if resident is not None:
            # It answers, even where a newer version could not be loaded yet.
            return Listed(replace(entry, failure=None), resident.manifest, resident, "device")
        if entry.state is None or entry.live is None or entry.reason is not None:
            return Listed(entry)
        place: Place = "store" if self._bank.data(task, entry.live) is None else "host"
        try:
            return Listed(entry, await self._manifest(entry.state, entry.live), place=place)
        except (StoreError, TaskFileError) as error:
            # Not recorded in the registry: only a load decides whether the task can be served.
            return Listed(replace(entry, failure=Failure(entry.live, str(error))))

    async def _manifest(self, state: TaskState, version: int) -> Manifest:
        read = partial(self._preview, state, version, self._known_header(state.name, version))
        finish = partial(self._finish_read, state.name, version)
        return await self.reads.once((state.name, version), read, finish)

    def _known_header(self, task: str, version: int) -> bytes | None:
        """Return bytes that begin with a version's header, if they are in host memory."""
        file = self._bank.data(task, version)
        if file is not None:
            return file
        cached = self._headers.get(task)
        return cached.data if cached and cached.version == version else None

    def _preview(
        self, state: TaskState, version: int, header: bytes | None
    ) -> tuple[bytes, Preview]:
        """Return a version's header and what it says; runs in a thread."""
        size = state.version(version).size
        header = self._store.read_header(state.name, version) if header is None else header
        return header[: header_end(header, size)], Preview.parse(header, size)

    async def _finish_read(
        self, task: str, version: int, reading: Awaitable[tuple[bytes, Preview]]
    ) -> Manifest:
        header, preview = await reading
        self._headers.put(task, StoredFile(version, header), len(header))
        preview.check_fits(self._facts)
        return preview.manifest
