"""Quota of the rows that are admitted and not yet answered."""

from collections import Counter
from collections.abc import Sequence

from .fair_queue import WEIGHTS
from .rows import Priority


class Quota:
    """Share a bounded number of rows among tasks, so that no task can take the last ones.

    A task may hold at most `WEIGHTS[priority]` times the rows that are free (dynamic thresholds:
    Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
    1998). A single busy task thus fills 4/5 of the quota with normal requests and is refused
    then, while other tasks are still admitted. As free rows become scarce, low requests are
    refused before normal ones, and normal ones before high ones.

    Not thread-safe: only the event loop uses it.

    Attributes:
        limit: most rows at once.
        reserved: rows that requests hold now.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.reserved = 0
        self._by_task: Counter[str] = Counter()

    def refusal(self, tasks: Sequence[str], images: int, priority: Priority) -> str | None:
        """Return why `images` rows for each of the tasks cannot be admitted now; None if they can.

        Args:
            tasks: names; empty while the request has not been read yet. Then the answer says
                whether there is room for `images` rows of any task.
            images: rows for each task.
            priority: of the request.
        """
        free = self.limit - self.reserved
        rows = images * max(1, len(tasks))
        if rows > free:
            return f"queue: expected room for {rows} rows, found {free}"
        share = free * WEIGHTS[priority]
        for task in tasks:
            held = self._by_task[task]
            if held + images > share:
                return (
                    f"queue: expected task {task!r} to hold at most {share} rows now, found {held}"
                )
        return None

    def reserve(self, tasks: Sequence[str], images: int) -> None:
        """Reserve `images` rows for each task."""
        self.reserved += images * len(tasks)
        for task in tasks:
            self._by_task[task] += images

    def release(self, tasks: Sequence[str], images: int) -> None:
        """Release what `reserve` reserved."""
        self.reserved -= images * len(tasks)
        for task in tasks:
            self._by_task[task] -= images
            if not self._by_task[task]:  # names come from clients, so they must not pile up
                del self._by_task[task]
