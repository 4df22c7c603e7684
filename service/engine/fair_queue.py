"""Where rows wait for a batch: priorities share the engine by weight, the tasks of one priority share it alike.

So no row waits for ever: every priority that has rows waiting gets its share of the images that the engine computes,
and within it every task the same number, however many rows another task has brought. A task that has asked for no
more than its share is served in the order of arrival, even where several of its rows happen to come at once.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count, takewhile

from .rows import Priority, Row

WEIGHTS: dict[Priority, int] = {"high": 16, "normal": 4, "low": 1}
"""How the engine is shared between priorities that have rows waiting."""

BURST = 4
"""Rows that a task may be ahead of its share before it has to wait for the others."""

SLACK = 2.0
"""Times its share that a task may ask for in the long run before it has to wait for the others."""

LEAD = 4
"""Images by which virtual time is ahead at most: that many rows of a task that always waits go before a new one."""

LATELY = 256
"""Images for which a task that was served counts as one of those that share the engine, and is remembered at all."""

DIGITS = 6
"""Decimals to which images are told: the shares of twins add up to one but for a rounding error."""


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

    @property
    def images(self) -> float:
        """Images that the engine is to compute for the rows that wait."""
        return round(sum(waiting.images for waiting in self._rounds.values()), DIGITS)

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

    def ahead(self, tasks: Iterable[str], priority: Priority, rows: int = 1) -> float:
        """Images that would be computed before the last, if `rows` of each of the tasks came now."""
        own = self._rounds[priority].ahead(tasks, rows)
        others = (
            min(waiting.images, math.ceil((own + 1) * WEIGHTS[other] / WEIGHTS[priority]))
            for other, waiting in self._rounds.items()
            if other != priority
        )
        return round(own + sum(others), DIGITS)

    def _next(self) -> Priority | None:
        waiting = (priority for priority, waiting in self._rounds.items() if waiting)
        return min(
            waiting,
            key=lambda priority: self._spent[priority] + 1 / WEIGHTS[priority],
            default=None,
        )


class _Round:
    """The rows of one priority, served by start-time fair queueing (Goyal, Vin and Cheng 1996) with a token bucket.

    Virtual time counts the images that each task may have been served. A row's turn is the time at which it came, or
    where its task had got to by then less `BURST`, if that is later: the generic cell rate algorithm (ITU-T I.371) in
    virtual time. The least turn is served first, among equals who came first. Strictly in turn (a `BURST` and `LEAD` of
    0) a task that by chance has four rows waiting would wait four rounds, though over time it asks no more than others.

    With each image time advances by `SLACK` shares, a share being one divided by the tasks that were served lately
    (much as the global pass of stride scheduling, Waldspurger and Weihl 1995), but it neither falls behind the turn
    that is served nor gets more than `LEAD` ahead of it. So

    * while turns go from one value to another, a task is served at most their difference and `BURST` + 1 rows; one
      whose line is long no fewer than their difference, rounded down. What a task did not use is not saved up;
    * at most `LEAD` + `BURST` + 1 rows of each other task are served before a new row of one that is within its share.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self.images = 0.0  # that the engine is to compute for its rows
        self._length, self._time, self._served, self._order = 0, 0.0, 0, count()
        # A heap: the turn of each task's first row, when it came, the task. One whose first row was discarded stands
        # too early in it, never too late.
        self._turns: list[tuple[float, int, str]] = []
        self._scheduled: set[str] = set()  # the tasks in the heap
        # The tasks that were served lately, longest ago first: where they had got to, and after how many images.
        self._lately: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return self._length

    def push(self, row: Row) -> None:
        task = row.resident.task
        line = self._lines[task] = self._line(task)
        line.rows[row] = (self._time, next(self._order))
        self._length += 1
        self.images += row.share
        if task not in self._scheduled:
            self._schedule(task)

    def pop(self) -> Row:
        """Remove the first row of the task whose turn it is."""
        while True:
            turn, order, task = heapq.heappop(self._turns)
            self._scheduled.remove(task)
            if task in self._lines:  # its rows may have been discarded
                if order == self._lines[task].first_order:
                    return self._serve(task, turn)
                self._schedule(task)

    def discard(self, row: Row) -> bool:
        """Remove a row; says whether it was here."""
        line = self._lines.get(row.resident.task)
        if line is None or row not in line.rows:
            return False
        del line.rows[row]
        self._length -= 1
        self.images -= row.share
        if not line.rows:
            del self._lines[row.resident.task]
        return True

    def ahead(self, tasks: Iterable[str], rows: int) -> float:
        """Images that would be computed before the last, if `rows` of each task came now and none later."""
        last = max(turn for task in tasks for turn in self._line(task).turns([self._time] * rows))
        return sum(
            row.share
            for line in self._lines.values()
            for row, _ in takewhile(
                lambda pair: pair[1] <= last, zip(line.rows, line.turns(), strict=True)
            )
        )

    def _line(self, task: str) -> "_Line":
        """The line of a task; a new one if it has none."""
        return self._lines.get(task) or _Line(self._lately.get(task, (0.0, 0))[0])

    def _schedule(self, task: str) -> None:
        line = self._lines[task]
        heapq.heappush(self._turns, (next(line.turns()), line.first_order, task))
        self._scheduled.add(task)

    def _serve(self, task: str, turn: float) -> Row:
        line = self._lines[task]
        row, (came, _) = next(iter(line.rows.items()))
        line.reached = max(came, line.reached) + 1
        self._advance(task, turn, line.reached)
        self.discard(row)
        if task in self._lines:
            self._schedule(task)
        return row

    def _advance(self, task: str, turn: float, reached: float) -> None:
        """Let virtual time go on: a row of the task is served at its turn."""
        self._served += 1
        self._lately[task] = (reached, self._served)
        self._lately.move_to_end(task)
        while next(iter(self._lately.values()))[1] <= self._served - LATELY:
            self._lately.popitem(last=False)
        self._time = min(max(self._time + SLACK / len(self._lately), turn), turn + LEAD)


@dataclass(slots=True)
class _Line:
    """The rows of a task that wait.

    Attributes:
        reached: the virtual time that the task had got to when it was last served.
        rows: the virtual time at which each came, and its place in the order of arrival. They are a set that keeps its
            order; unlike a dict's, its first element is found at once however many were removed in front of it.
    """

    reached: float
    rows: OrderedDict[Row, tuple[float, int]] = field(default_factory=OrderedDict)

    @property
    def first_order(self) -> int:
        """The place of the first row in the order of arrival."""
        return next(iter(self.rows.values()))[1]

    def turns(self, more: Iterable[float] = ()) -> Iterator[float]:
        """When each row has its turn, ascending, and after them `more` rows that came at these times."""
        reached = self.reached
        for came in chain((came for came, _ in self.rows.values()), more):
            yield max(came, reached - BURST)
            reached = max(came, reached) + 1
