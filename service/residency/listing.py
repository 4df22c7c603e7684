"""What there is to serve, for people and programs that ask: pages of tasks, one task, a file, the names that answer."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from facet_vision.prompts_store import (
    BackboneFacts,
    Manifest,
    Preview,
    Store,
    StoreError,
    TaskFileError,
    TaskState,
    Version,
)
from facet_vision.prompts_store.header import header_end
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import TaskUnavailable, UnknownTask

from .bank import Bank, StoredFile
from .lru import LruCache
from .registry import Entry, Failure, Registry
from .resolver import TaskResolver
from .single_flight import SingleFlight

HEADER_BYTES = 32 * 1024 * 1024
"""Headers of task files that are kept, so that who asks for the list again and again does not read them each time."""

LOOK_THREADS = 8
"""Histories and headers that are read at once, apart from the loads that requests wait for."""

AT_ONCE = 256
"""Histories that are asked for together where all are needed."""

Place = Literal["device", "host", "store"]


@dataclass(frozen=True)
class Listed:
    """A task as a list shows it.

    Attributes:
        entry: its history, and why it cannot be served if so.
        manifest: of the live version, if there is one that can be read.
        resident: the live version, if it is on the device.
        place: the fastest tier that holds the live version, if there is one.
    """

    entry: Entry
    manifest: Manifest | None = None
    resident: Resident | None = None
    place: Place | None = None


class Listing:
    """Tells what there is; reads histories and the headers of task files where nobody has needed them before.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        bank: the tasks at hand.
        resolver: reads histories.
        facts: what a task must fit.

    Attributes:
        looks: the reading under way.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        bank: Bank,
        resolver: TaskResolver,
        facts: BackboneFacts,
    ) -> None:
        self._store = store
        self._registry = registry
        self._bank = bank
        self._resolver = resolver
        self._facts = facts
        self.looks = SingleFlight("facet-look", threads=LOOK_THREADS)
        self._headers: LruCache[StoredFile] = LruCache(HEADER_BYTES)

    def __len__(self) -> int:
        """Tasks that the store has, those out of service included."""
        return len(self._registry)

    async def page(self, after: str, limit: int) -> list[Listed]:
        """Up to `limit` tasks whose names come after `after`, in order."""
        names = self._registry.names()
        start = bisect_right(names, after)
        return await asyncio.gather(*map(self._listed, names[start : start + limit]))

    async def live(self) -> list[str]:
        """Names of the tasks that answer, in order; the histories that nobody has asked for yet are read for it."""
        names = self._registry.names()
        unread = [name for name in names if not self._registry.is_read(name)]
        for start in range(0, len(unread), AT_ONCE):
            await asyncio.gather(*map(self._look, unread[start : start + AT_ONCE]))
        return [
            entry.name
            for entry in map(self._registry.get, names)
            if entry and entry.condition == "live"
        ]

    async def show(self, task: str) -> Listed:
        """A task with its newest history, read from the store.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        state = await asyncio.to_thread(self._store.state, task)
        if self._registry.get(task) is None:
            failure = Failure(state.live, "another server published it") if state.live else None
            return Listed(Entry(task, state, failure))
        listed = await self._listed(task)
        return replace(listed, entry=replace(listed.entry, state=state))

    async def read(self, task: str, version: int) -> tuple[Version, bytes]:
        """The record and the bytes of a stored version.

        Raises:
            StoreError: it is not there, or cannot be read.
        """

        def both() -> tuple[Version, bytes]:
            return self._store.state(task).version(version), self._store.read(task, version)

        return await asyncio.to_thread(both)

    async def _look(self, task: str) -> Entry:
        with suppress(TaskUnavailable, UnknownTask):  # the entry tells it
            await self._resolver.entry(task, self.looks)
        return self._registry.get(task) or Entry(task)

    async def _listed(self, task: str) -> Listed:
        entry = await self._look(task)
        resident = self._bank.find(task)
        if resident is not None:
            # It answers, even where a newer version could not be loaded yet.
            return Listed(replace(entry, failure=None), resident.manifest, resident, "device")
        if entry.state is None or entry.live is None or entry.reason is not None:
            return Listed(entry)
        place: Place = "store" if self._bank.data(task, entry.live) is None else "host"
        try:
            return Listed(entry, await self._manifest(entry.state, entry.live), place=place)
        except (StoreError, TaskFileError) as error:  # not remembered: only a load knows for sure
            return Listed(replace(entry, failure=Failure(entry.live, str(error))))

    async def _manifest(self, state: TaskState, version: int) -> Manifest:
        header = self._bank.data(state.name, version)  # the file begins with it
        if header is None:
            kept = self._headers.get(state.name)
            header = kept.data if kept and kept.version == version else None
        read = partial(self._preview, state, version, header)
        return await self.looks.once(
            (state.name, version), read, partial(self._seen, state.name, version)
        )

    def _preview(
        self, state: TaskState, version: int, header: bytes | None
    ) -> tuple[bytes, Preview]:
        size = state.version(version).size
        header = self._store.read_header(state.name, version) if header is None else header
        return header[: header_end(header, size)], Preview.parse(header, size)

    async def _seen(
        self, task: str, version: int, reading: Awaitable[tuple[bytes, Preview]]
    ) -> Manifest:
        header, preview = await reading
        self._headers.put(task, StoredFile(version, header), len(header))
        preview.check_fits(self._facts)
        return preview.manifest
