"""Where rows wait for a batch: priorities share the engine by weight, the tasks of one priority share it alike.

So no row waits for ever: every priority that has rows waiting gets its share of the images that the engine computes,
and within it every task the same number, however many rows another task has brought.
"""

import heapq
import math
from collections import OrderedDict
from itertools import count

from .rows import Priority, Row

WEIGHTS: dict[Priority, int] = {"high": 16, "normal": 4, "low": 1}
"""How the engine is shared between priorities that have rows waiting."""


class FairQueue:
    """Rows that wait. Not thread-safe."""

    def __init__(self) -> None:
        self._rounds = {priority: _Round() for priority in WEIGHTS}
        self._length = 0
        # Weighted fair queueing in virtual time: an image costs its priority 1/weight, and next is the priority that
        # has spent least once it is served (Demers, Keshav and Shenker 1989).
        self._spent = dict.fromkeys(WEIGHTS, 0.0)
        self._time = 0.0

    def __len__(self) -> int:
        return self._length

    def push(self, row: Row) -> None:
        """Put a row at the end of its task's line."""
        priority = row.ticket.priority
        waiting = self._rounds[priority]
        if not waiting:  # what it did not use while it was empty is not saved up
            self._spent[priority] = max(self._spent[priority], self._time)
        waiting.push(row)
        self._length += 1

    def discard(self, row: Row) -> bool:
        """Take a row out; says whether it was here."""
        was_here = self._rounds[row.ticket.priority].discard(row)
        self._length -= was_here
        return was_here

    def take(self, images: int, now: float = -math.inf) -> list[list[Row]]:
        """Remove the rows of the next batch; those that nobody needs any more are dropped on the way.

        Args:
            images: how many the engine may compute.
            now: what deadlines are compared with.

        Returns:
            For each image to compute the rows that its feature answers. More than one are twins; the others of a
            kind come along whenever one is served, since they cost next to nothing.
        """
        taken: list[list[Row]] = []
        while len(taken) < images and (priority := self._next()):
            row = self._rounds[priority].pop()
            self._length -= 1
            if row.is_needed(now):
                taken.append([row, *(twin for twin in row.twins if self.discard(twin))])
                self._time = self._spent[priority]
                self._spent[priority] += 1 / WEIGHTS[priority]
        return taken

    def ahead(self, task: str, priority: Priority, rows: int = 1) -> int:
        """How many of the waiting rows would be served before the last of `rows` of a task that came now."""
        own = self._rounds[priority].ahead(task, rows)
        others = (
            min(len(waiting), math.ceil((own + 1) * WEIGHTS[other] / WEIGHTS[priority]))
            for other, waiting in self._rounds.items()
            if other != priority
        )
        return own + sum(others)

    def _next(self) -> Priority | None:
        waiting = (priority for priority, waiting in self._rounds.items() if waiting)
        return min(waiting, key=lambda priority: self._spent[priority] + 1 / WEIGHTS[priority], default=None)


class _Round:
    """The rows of one priority: a line for each task, served by start-time fair queueing (Goyal, Vin and Cheng 1996).

    Virtual time counts images that each task with rows waiting has been served. A task that comes back starts where
    time is, or where it had got to if that is later: so it is served before one that always has rows waiting, and yet
    gains nothing by coming one row at a time.
    """

    def __init__(self) -> None:
        # A line is a set that keeps its order; unlike a dict's, its first element is found at once however many were
        # removed in front of it.
        self._lines: dict[str, OrderedDict[Row, None]] = {}
        self._length, self._time, self._order = 0, 0, count()
        self._turns: list[tuple[int, int, str]] = []  # a heap: when a task is next, and among equals who came first
        self._next: dict[str, int] = {}  # for each task in the heap the time of its turn
        self._reached: OrderedDict[str, int] = OrderedDict()  # where tasks had got to that left ahead of the time

    def __len__(self) -> int:
        return self._length

    def push(self, row: Row) -> None:
        task = row.resident.task
        self._lines.setdefault(task, OrderedDict())[row] = None
        self._length += 1
        if task not in self._next:
            self._schedule(task, self._start(task))

    def pop(self) -> Row:
        """Remove the first row of the task whose turn it is."""
        while True:
            self._time, _, task = heapq.heappop(self._turns)
            del self._next[task]
            if task in self._lines:  # its rows may have been discarded
                return self._serve(task)

    def discard(self, row: Row) -> bool:
        """Remove a row; says whether it was here."""
        line = self._lines.get(row.resident.task)
        if line is None or row not in line:
            return False
        del line[row]
        self._length -= 1
        if not line:
            del self._lines[row.resident.task]
        return True

    def ahead(self, task: str, rows: int) -> int:
        """Waiting rows that would be served before the last of `rows` new ones of a task."""
        own = len(self._lines.get(task, ()))
        turn = self._start(task) + own + rows - 1
        others = (
            max(0, min(len(line), turn + 1 - self._next[name])) for name, line in self._lines.items() if name != task
        )
        return own + sum(others)

    def _start(self, task: str) -> int:
        """When the first row of a task has its turn."""
        return self._next.get(task, max(self._time, self._reached.get(task, 0)))

    def _schedule(self, task: str, turn: int) -> None:
        self._next[task] = turn
        heapq.heappush(self._turns, (turn, next(self._order), task))

    def _serve(self, task: str) -> Row:
        row = next(iter(self._lines[task]))
        self.discard(row)
        if task in self._lines:
            self._schedule(task, self._time + 1)
        else:
            self._reached[task] = self._time + 1
            self._reached.move_to_end(task)
        while self._reached and next(iter(self._reached.values())) <= self._time:
            self._reached.popitem(last=False)
        return row
