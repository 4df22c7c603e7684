"""Who is let in: the places for rows that are admitted and not yet answered, and how the tasks share them."""

from collections import Counter
from collections.abc import Sequence

from .fair_queue import WEIGHTS
from .rows import Priority


class Quota:
    """Room for a bounded number of rows, of which no task can take the last; touched by the event loop only.

    A task may hold `WEIGHTS[priority]` times the places that are free, not more (dynamic thresholds: Choudhury and
    Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998). A single busy task thus fills
    4/5 of them with normal requests and is refused then, while the others are still admitted; and as places get
    scarce, low requests are refused before normal ones and those before high ones.

    Attributes:
        limit: how many there are.
        taken: how many are held.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.taken = limit, 0
        self._of_task: Counter[str] = Counter()

    def refusal(self, tasks: Sequence[str], images: int, priority: Priority) -> str | None:
        """Why a request of `images` rows for each of the tasks cannot be let in now; None if it can.

        Before a request is read, `tasks` may be empty: then it asks whether there is room for anybody.
        """
        free, rows = self.limit - self.taken, images * max(1, len(tasks))
        if rows > free:
            return f"queue: expected room for {rows} rows, found {free}"
        share = free * WEIGHTS[priority]
        for task in tasks:
            if self._of_task[task] + images > share:
                return f"queue: expected task {task!r} to hold at most {share} rows now, found {self._of_task[task]}"
        return None

    def take(self, tasks: Sequence[str], images: int) -> None:
        """Hold places for `images` rows of each task."""
        self.taken += images * len(tasks)
        for task in tasks:
            self._of_task[task] += images

    def give_back(self, tasks: Sequence[str], images: int) -> None:
        """Let go what `take` held."""
        self.taken -= images * len(tasks)
        for task in tasks:
            self._of_task[task] -= images
            if not self._of_task[task]:
                del self._of_task[task]
