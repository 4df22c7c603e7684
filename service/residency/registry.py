"""Registry of what this server knows of each task of the store, without its tensors."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Literal

from facet_vision.prompts_store import TaskState

Condition = Literal["live", "retired", "unavailable", "unpublished"]

RETRY_SECONDS = 1.0
"""How long a failure that may pass, such as an unreachable store, holds before the next try."""


@dataclass(frozen=True)
class Failure:
    """Why a version cannot be served.

    Attributes:
        version: which; None where not even the task's history can be read.
        reason: one sentence.
        until: when to try again, by the registry's clock; infinite where only another version
            helps.
        passing: whether it may pass without anybody's help; a damaged file is mended by somebody.
    """

    version: int | None
    reason: str
    until: float = math.inf
    passing: bool = False

    @property
    def final(self) -> bool:
        """Whether only another version helps."""
        return self.until == math.inf


@dataclass(frozen=True)
class Entry:
    """A task as this server knows it.

    Attributes:
        name: the task's.
        state: its history as last read; None until a request needs it.
        failure: what failed last, if nothing has succeeded since.
    """

    name: str
    state: TaskState | None = None
    failure: Failure | None = None

    @property
    def live(self) -> int | None:
        """Number of the live version, if there is one."""
        return self.state.live if self.state else None

    @property
    def made(self) -> datetime | None:
        """When the live version was made, if there is one."""
        return self.state.version(self.live).at if self.state and self.live else None

    @property
    def reason(self) -> str | None:
        """Why the task cannot be served; None if it can, or if it need not be."""
        return self.failure.reason if self.failure and self.failure.version == self.live else None

    @property
    def condition(self) -> Condition:
        """The task's state as the list of tasks shows it."""
        if self.reason is not None:
            return "unavailable"
        if self.live is not None:
            return "live"
        events = self.state.events if self.state else ()
        return "retired" if any(event.event == "activate" for event in events) else "unpublished"


class Registry:
    """The entries by name. Only the event loop uses it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    def get(self, task: str) -> Entry | None:
        """Return what is known of a task, if the store has it."""
        return self._entries.get(task)

    def names(self) -> list[str]:
        """Return the names of all tasks of the store, in order."""
        return sorted(self._entries)

    def entries(self) -> list[Entry]:
        """Return the entries of all tasks, in no order."""
        return list(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def is_live(self, task: str) -> bool:
        """Return whether a task is known to have a live version."""
        entry = self._entries.get(task)
        return entry is not None and entry.live is not None

    def is_read(self, task: str) -> bool:
        """Return whether a task's history has been read."""
        entry = self._entries.get(task)
        return entry is not None and entry.state is not None

    def note(self, heads: Mapping[str, int]) -> list[str]:
        """Record a listing of the store, and return the names of the tasks that have changed.

        A task whose history has not been read yet is none of them: a later request reads it.

        Args:
            heads: the number of each task's last event.
        """
        changed = []
        for task, head in heads.items():
            entry = self._entries.setdefault(task, Entry(task))
            if entry.state is not None and entry.state.head < head:
                changed.append(task)
        return changed

    def learn(self, state: TaskState) -> Entry:
        """Record a task's history and return its entry; a history older than the known is ignored.

        Histories are read in threads and may arrive in any order.
        """
        entry = self._entries.get(state.name) or Entry(state.name)
        if entry.state is None or entry.state.head < state.head:
            entry = self._entries[state.name] = replace(entry, state=state)
        return entry

    def fail(
        self, task: str, version: int | None, reason: str, *, final: bool, passing: bool = False
    ) -> None:
        """Record why a version cannot be served, for `RETRY_SECONDS` unless it is final."""
        until = math.inf if final else self._clock() + RETRY_SECONDS
        entry = self._entries.get(task) or Entry(task)
        self._entries[task] = replace(entry, failure=Failure(version, reason, until, passing))

    def succeed(self, task: str) -> Entry | None:
        """Clear what failed, as the task has been brought onto the device; return its entry."""
        entry = self._entries.get(task)
        if entry is not None and entry.failure is not None:
            entry = self._entries[task] = replace(entry, failure=None)
        return entry

    def current_failure(self, entry: Entry) -> Failure | None:
        """Return the failure of an entry that still holds.

        None if nothing failed, if another version is live now, or if it is time to try again.
        """
        failure = entry.failure
        if failure is None or failure.version != entry.live or self._clock() >= failure.until:
            return None
        return failure
