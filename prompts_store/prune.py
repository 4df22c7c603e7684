"""Pruning of a store: what frees space and costs no version that answers.

Left over are files that were never completed, versions that no event names since their writer
crashed, and files of versions that were deleted. A writer may have the first two under way, so only
those of some age count. Older versions go where that is asked for; their events stay.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import DamagedObject, TaskNotFound
from .events import TaskState, fold
from .keys import Key
from .storage.objects import Objects
from .store import Store

logger = logging.getLogger("facet.store")

BY = "facet store prune"


@dataclass(frozen=True)
class Pruned:
    """An object that prune removes.

    Attributes:
        path: where it lies in the store.
        size: its bytes.
        why: what it is, in a few words.
    """

    path: str
    size: int
    why: str


class Pruner:
    """Finds what can go, and removes it.

    Args:
        objects: where the store is.
        now: seconds since 1970.
        age: seconds; what is younger may be under way.
        keep: versions of each task to keep beside the live one, the newest; None keeps all.
    """

    def __init__(
        self, objects: Objects, *, now: float, age: float, keep: int | None = None
    ) -> None:
        self._objects = objects
        self._store = Store(objects)
        self._before = now - age
        self._keep = keep

    def prune(self, *, dry_run: bool = False) -> Iterator[Pruned]:
        """Remove what can go, and return each object once it is gone; with `dry_run`, only return.

        Raises:
            StoreError: the storage failed; what was returned before is gone.
        """
        for pruned in self._leftovers():
            if not dry_run:
                self._objects.delete(pruned.path)
            yield pruned
        if self._keep is not None:
            for task in self._store.tasks():
                if (state := self._state(task)) is not None:
                    yield from self._prune_versions(state, self._keep, dry_run)

    def _leftovers(self) -> Iterator[Pruned]:
        for found in self._objects.temporary():
            if found.modified <= self._before:
                yield Pruned(found.path, found.size, "never completed")
        # Files before events: one whose event is written meanwhile is then none without event.
        keys = sorted(self._objects.keys("versions"))
        states = {task: self._state(task) for task in {key.task for key in keys}}
        for key in keys:
            state = states[key.task]
            pruned = self._leftover(key, state) if state is not None else None
            if pruned is not None:
                yield pruned

    def _state(self, task: str) -> TaskState | None:
        """Return a task's history, an empty one too; None if it is damaged and tells nothing."""
        try:
            return self._store.state(task)
        except TaskNotFound:
            return fold(task, (), 0)
        except DamagedObject as error:
            logger.warning("store: task '%s' is left as it is: %s", task, error)
            return None

    def _leftover(self, key: Key, state: TaskState) -> Pruned | None:
        if any(version.number == key.number for version in state.versions):
            return None
        try:
            found = self._objects.describe(key.path)
        except FileNotFoundError:
            return None
        if key.number in state.deleted:
            return Pruned(found.path, found.size, "of a deleted version")
        if found.modified <= self._before:
            return Pruned(found.path, found.size, "never published")
        return None

    def _prune_versions(self, state: TaskState, keep: int, dry_run: bool) -> Iterator[Pruned]:
        others = [version for version in state.versions if version.number != state.live]
        for version in others[: max(0, len(others) - keep)]:
            if not dry_run:
                self._store.delete(state.name, version.number, by=BY)
            path = Key(state.name, "versions", version.number).path
            yield Pruned(path, version.size, f"not live, nor among the newest {keep} others")
