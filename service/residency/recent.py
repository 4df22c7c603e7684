"""The last events of many tasks."""

import heapq
from collections.abc import Callable, Sequence

from facet_vision.prompts_store import Event, TaskState

from .registry import Entry


def newest(
    entries: Sequence[Entry], limit: int, sees: Callable[[str], bool]
) -> tuple[list[tuple[str, Event]], int]:
    """Return the last events of all tasks together with the tasks' names, the newest first.

    Args:
        entries: of tasks.
        limit: most events.
        sees: says of a name whether its events may be shown.

    Returns:
        The events, and the number of tasks that may be shown and whose history is not known.
    """
    seen = [entry for entry in entries if sees(entry.name)]
    known = [entry.state for entry in seen if entry.state is not None and entry.state.events]
    # An event among the last is of a task whose own last one is: so few tasks are looked at whole.
    last: list[TaskState] = heapq.nlargest(limit, known, key=lambda state: state.events[-1].at)
    events = [(state.name, event) for state in last for event in reversed(state.events[-limit:])]
    unread = sum(entry.state is None for entry in seen)
    return heapq.nlargest(limit, events, key=lambda each: each[1].at), unread
