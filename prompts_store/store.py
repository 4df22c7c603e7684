"""The store: immutable task files and the events that say which of them is live.

    <task>/versions/000003.safetensors    the task file
    <task>/events/000007.json             publish, activate, retire or delete

Objects are created once and never rewritten. A writer takes the number after the last one it knows;
when another writer took it first, creating fails, the writer reads what is new and tries the next
number. So an event is only ever written on top of the exact state it was checked against.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import (
    DamagedObject,
    StoreConflict,
    StoreError,
    StoreFull,
    StoreUnavailable,
    TaskNotFound,
    TaskNotLive,
    VersionLive,
    VersionNotFound,
)
from .events import MAX_BY_LENGTH, Event, EventKind, TaskState, Version, fold
from .header import header_end
from .keys import Key, Kind
from .names import check_task_name
from .storage.folder import Folder
from .storage.objects import Objects, open_objects
from .storage.tree import Tree

logger = logging.getLogger("facet.store")

_HEADER_GUESS_BYTES = 16 * 1024  # most headers are shorter; a longer one costs a second read
_TRIES = 100
_PARALLEL_READS = 16
_LOCKS = 64


def open_store(
    location: str | Path, *, clock: Callable[[], datetime] | None = None, **options: Any
) -> "Store":
    """Open the store at a folder, "memory:", or an s3://, gs:// or az:// URL.

    Args:
        clock: the time of events; by default the system's, in UTC.
        options: passed to obstore for URLs (`endpoint`, `region`,
            `client_options={"allow_http": True}`, …). Credentials are read from the provider's
            usual environment variables or from options.
    """
    return Store(open_objects(location, **options), clock=clock)


class Store:
    """Versions and history of tasks.

    Every method may be called from any thread; any number of stores, in any processes, may work on
    one location.
    """

    def __init__(self, objects: Objects, *, clock: Callable[[], datetime] | None = None) -> None:
        self._objects = objects
        self._clock = clock or (lambda: datetime.now(UTC))
        self._readers = ThreadPoolExecutor(_PARALLEL_READS, "store")
        # Events never change, so states are only ever extended, and threads may replace them
        # without a lock: the worst that a race costs is reading an event again.
        self._states: dict[str, TaskState] = {}
        # Writers of one task queue here instead of racing each other to the storage. The number of
        # locks is fixed, since clients choose the names.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def tree(self, root: str) -> Tree:
        """Return a tree beside the tasks, one of `keys.BESIDE`."""
        return Tree(self._objects, root)

    @property
    def folder(self) -> Path | None:
        """The local folder that the store is in; None for a bucket or memory."""
        return self._objects.root if isinstance(self._objects, Folder) else None

    def publish(self, task: str, data: bytes, *, by: str) -> Version:
        """Add a version; it is durable when this returns, and not live until it is activated.

        Where a version with the same bytes is stored, that one is returned and nothing written.

        Raises:
            StoreFull: there is no room; nothing of the version is left.
        """
        with self._writing(task, by):
            sha256 = hashlib.sha256(data).hexdigest()
            state = self._refresh(task)
            if (known := self._same(state, sha256)) is not None:
                return known
            # The file first: an event must never name a version that is not there.
            number = self._create_version(state, data)
            publish = self._event("publish", number, by, sha256, len(data))
            try:
                return self._append(task, lambda _: publish).version(number)
            except StoreFull:
                self._remove(task, number)
                raise

    def find(self, task: str, data: bytes) -> Version | None:
        """Return the newest version that holds exactly `data`, whose file is checked as well."""
        check_task_name(task)
        return self._same(self._refresh(task), hashlib.sha256(data).hexdigest())

    def _same(self, state: TaskState, sha256: str) -> Version | None:
        for version in reversed(state.versions):
            if version.sha256 == sha256 and self._is_sound(state.name, version.number):
                return version
        return None

    def _is_sound(self, task: str, number: int) -> bool:
        try:
            self.read(task, number)
        except (DamagedObject, VersionNotFound):
            return False
        return True

    def activate(self, task: str, version: int, *, by: str) -> TaskState:
        """Make a published version the live one; raise TaskNotFound or VersionNotFound."""

        def event(state: TaskState) -> Event:
            chosen = _existing(state).version(version)
            return self._event("activate", version, by, chosen.sha256, chosen.size)

        with self._writing(task, by):
            return self._append(task, event, urgent=True)

    def supersede(self, task: str, former: int | None, version: int, *, by: str) -> TaskState:
        """Make a published version live in the place of `former`, None for no live version.

        Raises:
            StoreConflict: another one is live by now.
            TaskNotFound, VersionNotFound: there is no such version.
        """

        def event(state: TaskState) -> Event:
            chosen = _existing(state).version(version)
            if state.live != former:
                raise StoreConflict(
                    f"live version of task '{task}': expected {former or 'none'} to be superseded, "
                    f"found {state.live or 'none'}"
                )
            return self._event("activate", version, by, chosen.sha256, chosen.size)

        with self._writing(task, by):
            return self._append(task, event, urgent=True)

    def retire(self, task: str, *, by: str) -> TaskState:
        """Take the live version out of service; versions stay in the store.

        Raises:
            TaskNotFound, TaskNotLive: there is nothing to retire.
        """

        def event(state: TaskState) -> Event:
            number = _existing(state).live
            if number is None:
                raise TaskNotLive(f"task '{task}': expected a live version to retire, found none")
            live = state.version(number)
            return self._event("retire", live.number, by, live.sha256, live.size)

        with self._writing(task, by):
            return self._append(task, event, urgent=True)

    def delete(self, task: str, version: int, *, by: str) -> TaskState:
        """Delete the file of a version that is not live; its number is never used again.

        Raises:
            TaskNotFound, VersionNotFound, VersionDeleted: there is nothing to delete.
            VersionLive: it is the live one.
        """

        def event(state: TaskState) -> Event:
            chosen = _existing(state).version(version)
            if state.live == version:
                raise VersionLive(
                    f"version of task '{task}': expected one that is not live to delete, "
                    f"found {version}, the live one"
                )
            return self._event("delete", version, by, chosen.sha256, chosen.size)

        with self._writing(task, by):
            # The event first: no state may name a version whose file is gone.
            state = self._append(task, event, urgent=True)
            self._remove(task, version)
            return state

    def _remove(self, task: str, number: int) -> None:
        """Remove the file of a version that no state names."""
        path = Key(task, "versions", number).path
        try:
            self._objects.delete(path)
        except StoreUnavailable as error:  # what is left, facet store prune finds
            logger.warning("store: '%s' could not be removed: %s", path, error)

    def tasks(self) -> list[str]:
        """Return the names of all tasks that have a history, retired ones too, sorted."""
        return sorted(self.heads())

    def heads(self) -> dict[str, int]:
        """Return the number of the last event of each task.

        It costs one listing, so replicas poll it to notice new events.
        """
        heads: dict[str, int] = {}
        for key in self._objects.keys("events"):
            heads[key.task] = max(key.number, heads.get(key.task, 0))
        return heads

    def state(self, task: str) -> TaskState:
        """Return live version, versions and history as of now; raise TaskNotFound."""
        check_task_name(task)
        return _existing(self._refresh(task))

    def check_reachable(self) -> None:
        """Raise StoreUnavailable when the storage cannot be listed; the cost is one page."""
        self._objects.probe()

    def read(self, task: str, version: int) -> bytes:
        """Return the bytes of a published version, checked against its sha256."""
        expected = self._version(task, version).sha256
        data = self._read_version(task, version)
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            path = Key(task, "versions", version).path
            raise DamagedObject(f"object '{path}': expected sha256 {expected}, found {found}")
        return data

    def read_header(self, task: str, version: int) -> bytes:
        """Return the header of a published task file, for `Preview.parse`.

        It is not checked against the sha256, which is that of the whole file.

        Raises:
            StoreError: the version cannot be read.
            NotATaskFile: the object is too short, or has an impossible header length.
        """
        size = self._version(task, version).size
        start = self._read_version(task, version, _HEADER_GUESS_BYTES)
        end = header_end(start, size)
        return start[:end] if end <= len(start) else self._read_version(task, version, end)

    def _version(self, task: str, number: int) -> Version:
        """Return the record of a version.

        Versions never change, so the storage is read only for one that is not cached.
        """
        state = self._states.get(task)
        if state is None or all(version.number != number for version in state.versions):
            state = self.state(task)
        return state.version(number)

    def _read_version(self, task: str, number: int, length: int | None = None) -> bytes:
        path = Key(task, "versions", number).path
        try:
            return self._objects.read(path, length)
        except FileNotFoundError:
            self.state(task).version(number)  # raises if another server has deleted it
            raise DamagedObject(
                f"object '{path}': expected the published file, found none"
            ) from None

    @contextmanager
    def _writing(self, task: str, by: str) -> Iterator[None]:
        check_task_name(task)
        if not 0 < len(by) <= MAX_BY_LENGTH:
            raise StoreError(
                f"by: expected 1 to {MAX_BY_LENGTH} characters that say who acts, found {len(by)}"
            )
        with self._locks[hash(task) % _LOCKS]:
            yield

    def _event(
        self,
        kind: EventKind,
        version: int,
        by: str,
        sha256: str,
        size: int,
    ) -> Event:
        return Event(event=kind, version=version, at=self._clock(), by=by, sha256=sha256, size=size)

    def _create_version(self, state: TaskState, data: bytes) -> int:
        """Store the file under the next free number and return it.

        A number whose publish event is missing, since its writer crashed, stays taken.
        """
        task, number = state.name, state.last + 1
        for _ in range(_TRIES):
            try:
                self._objects.create(Key(task, "versions", number).path, data)
                return number
            except FileExistsError:
                number = max(self._numbers(task, "versions"), default=number) + 1
        raise StoreConflict(
            f"version of task '{task}': expected a free number within {_TRIES} tries, found none"
        )

    def _append(
        self, task: str, event: Callable[[TaskState], Event], *, urgent: bool = False
    ) -> TaskState:
        """Write the event that `event` derives from the newest state; return the state after it.

        An urgent one may use the space that is kept for what frees space.
        """
        for _ in range(_TRIES):
            state = self._refresh(task)
            made, number = event(state), state.head + 1
            try:
                self._objects.create(
                    Key(task, "events", number).path, made.to_bytes(), urgent=urgent
                )
            except FileExistsError:
                # A network may hide that this very event was written, and a retry then finds it.
                if self._read_event(task, number) != made:
                    continue
            return self._cache(fold(task, (*state.events, made), number))
        raise StoreConflict(
            f"event of task '{task}': expected a free number within {_TRIES} tries, found none"
        )

    def _refresh(self, task: str) -> TaskState:
        """Return the cached state, extended by the events that are new."""
        state = self._states.get(task)
        if state is None:
            return self._load(task)
        new: list[Event] = []
        # Reading the next number is exact, since writers leave no gaps, and cheaper than a listing.
        while (event := self._read_event(task, state.head + len(new) + 1)) is not None:
            new.append(event)
        if not new:
            return state
        return self._cache(fold(task, (*state.events, *new), state.head + len(new)))

    def _load(self, task: str) -> TaskState:
        """Read the whole history, many events at a time since each may be a round trip."""
        numbers = sorted(self._numbers(task, "events"))
        events = self._readers.map(lambda number: self._read_event(task, number), numbers)
        state = fold(task, [event for event in events if event], numbers[-1] if numbers else 0)
        # A task without history is not cached: clients could fill the memory with invented names.
        return self._cache(state) if state.events else state

    def _cache(self, state: TaskState) -> TaskState:
        # Another thread may have cached a newer state meanwhile; that one stays.
        known = self._states.get(state.name)
        if known is None or known.head < state.head:
            self._states[state.name] = state
        return state

    def _read_event(self, task: str, number: int) -> Event | None:
        path = Key(task, "events", number).path
        try:
            return Event.from_bytes(self._objects.read(path), path)
        except FileNotFoundError:
            return None

    def _numbers(self, task: str, kind: Kind) -> list[int]:
        return [key.number for key in self._objects.keys(kind, task)]


def _existing(state: TaskState) -> TaskState:
    if not state.events:
        raise TaskNotFound(
            f"task '{state.name}': expected a published task, found none of that name"
        )
    return state
