"""Fair queue of the rows that wait for a batch.

Priorities share the engine by weight, and the tasks of one priority share it equally. So no row
waits for ever: every priority with waiting rows gets its share of the images that the engine
computes, and within it every task the same number, however many rows another task has queued. A
task that asks for no more than its share is served in the order of arrival, even where several of
its rows happen to arrive together.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count

from .rows import Priority, Row

WEIGHTS: dict[Priority, int] = {"high": 16, "normal": 4, "low": 1}
"""How the engine is shared between priorities that have rows waiting."""

BURST_ROWS = 4
"""Rows that a task may be ahead of its share before it has to wait for other tasks."""

SLACK_FACTOR = 2.0
"""Times its share that a task may use in the long run before it has to wait for other tasks."""

LEAD_IMAGES = 4
"""Images by which virtual time is ahead at most.

That many rows of a task that always waits are served before the row of a new task.
"""

RECENT_IMAGES = 256
"""Images for which a task counts, once served, as one of those that share the engine.

After that the queue forgets the task.
"""

IMAGE_DECIMALS = 6
"""Decimals to which images are reported: shares of twins add up to one but for rounding."""


class FairQueue:
    """The rows that wait. Not thread-safe: the batcher's lock guards it."""

    def __init__(self) -> None:
        self._queues = {priority: _PriorityQueue() for priority in WEIGHTS}
        self._length = 0
        # Weighted fair queueing in virtual time: an image costs its priority 1/weight, and next is
        # the priority that will have spent least (Demers, Keshav and Shenker 1989).
        self._spent = dict.fromkeys(WEIGHTS, 0.0)
        self._time = 0.0

    def __len__(self) -> int:
        return self._length

    @property
    def images(self) -> float:
        """Images that the engine has to compute for the rows that wait."""
        return round(sum(queue.images for queue in self._queues.values()), IMAGE_DECIMALS)

    def tasks(self) -> Iterator[str]:
        """Yield the tasks with rows here, one for each priority."""
        return chain.from_iterable(queue.tasks() for queue in self._queues.values())

    def push(self, row: Row) -> None:
        """Append a row to its task's queue."""
        priority = row.ticket.priority
        queue = self._queues[priority]
        if not queue:  # a priority saves nothing up while it is empty
            self._spent[priority] = max(self._spent[priority], self._time)
        queue.push(row)
        self._length += 1

    def discard(self, row: Row) -> bool:
        """Remove a row; return whether it was here."""
        was_here = self._queues[row.ticket.priority].discard(row)
        self._length -= was_here
        return was_here

    def take(self, images: int, now: float = -math.inf) -> list[list[Row]]:
        """Remove the rows of the next batch; drop rows that no request needs any more.

        Args:
            images: how many the engine may compute.
            now: the time that deadlines are compared with.

        Returns:
            For each image to compute the rows that its feature answers. More than one are twins:
            all of them are served with the first one, since they cost next to nothing.
        """
        taken: list[list[Row]] = []
        while len(taken) < images and (priority := self._next()):
            row = self._queues[priority].pop()
            self._length -= 1
            if row.is_needed(now):
                taken.append([row, *(twin for twin in row.twins if self.discard(twin))])
                self._time = self._spent[priority]
                self._spent[priority] += 1 / WEIGHTS[priority]
        return taken

    def ahead(self, tasks: Iterable[str], priority: Priority, rows: int = 1) -> float:
        """Return the images computed before the last one if `rows` of each task arrived now."""
        own = self._queues[priority].ahead(tasks, rows)
        others = 0.0
        for other, queue in self._queues.items():
            if other != priority:
                share = math.ceil((own + 1) * WEIGHTS[other] / WEIGHTS[priority])
                others += min(queue.images, share)
        return round(own + others, IMAGE_DECIMALS)

    def _next(self) -> Priority | None:
        waiting = (priority for priority, queue in self._queues.items() if queue)
        return min(
            waiting,
            key=lambda priority: self._spent[priority] + 1 / WEIGHTS[priority],
            default=None,
        )


class _PriorityQueue:
    """The rows of one priority: start-time fair queueing with a token bucket for each task.

    Start-time fair queueing (Goyal, Vin and Cheng 1996) serves the least start tag first, and
    among equals the first arrival. Virtual time counts the images that each task may have been
    served. A row's start tag is the time of its arrival or, if that is later, its task's last
    finish tag less `BURST_ROWS`: the generic cell rate algorithm (ITU-T I.371) in virtual time.
    With a `BURST_ROWS` and `LEAD_IMAGES` of 0, a task that by chance has four rows waiting would
    wait four rounds, though over time it asks no more than other tasks.

    With each image, time advances by `SLACK_FACTOR` shares. A share is one divided by the number
    of tasks that were served recently (much as the global pass of stride scheduling, Waldspurger
    and Weihl 1995). But time neither falls behind the start tag that is served, nor gets more than
    `LEAD_IMAGES` ahead of it. So

    * while start tags go from one value to another, a task is served at most their difference and
      `BURST_ROWS` + 1 rows; a task with a long queue no fewer than their difference, rounded down.
      What a task did not use is not saved up;
    * at most `LEAD_IMAGES` + `BURST_ROWS` + 1 rows of each other task are served before a new row
      of a task that is within its share.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, _TaskQueue] = {}  # none is empty
        self.images = 0.0  # that the engine has to compute for its rows
        self._length = 0
        self._time = 0.0  # virtual
        self._served = 0  # images
        self._arrivals = count()
        # A heap: the start tag of each task's first row, its arrival number, the task. A task
        # whose first row was discarded stands too early in it, never too late.
        self._heap: list[tuple[float, int, str]] = []
        self._scheduled: set[str] = set()  # the tasks in the heap
        # The tasks that were served recently, longest ago first: the finish tag of the last row
        # served, and how many images had been served by then.
        self._recent: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return self._length

    def tasks(self) -> Iterator[str]:
        return iter(self._tasks)

    def push(self, row: Row) -> None:
        task = row.resident.task
        queue = self._tasks[task] = self._queue(task)
        queue.rows[row] = (self._time, next(self._arrivals))
        self._length += 1
        self.images += row.share
        if task not in self._scheduled:
            self._schedule(task)

    def pop(self) -> Row:
        """Remove the first row of the task with the least start tag."""
        while True:
            start, arrival, task = heapq.heappop(self._heap)
            self._scheduled.remove(task)
            if task in self._tasks:  # its rows may have been discarded
                if arrival == self._tasks[task].first_arrival:
                    return self._serve(task, start)
                self._schedule(task)

    def discard(self, row: Row) -> bool:
        """Remove a row; return whether it was here."""
        queue = self._tasks.get(row.resident.task)
        if queue is None or row not in queue.rows:
            return False
        del queue.rows[row]
        self._length -= 1
        self.images -= row.share
        if not queue.rows:
            del self._tasks[row.resident.task]
        return True

    def ahead(self, tasks: Iterable[str], rows: int) -> float:
        """Return the images computed before the last one if `rows` of each task arrived now."""
        arrivals = [self._time] * rows
        last = max(start for task in tasks for start in self._queue(task).start_tags(arrivals))
        images = 0.0
        for queue in self._tasks.values():
            for row, start in zip(queue.rows, queue.start_tags(), strict=True):
                if start > last:
                    break
                images += row.share
        return images

    def _queue(self, task: str) -> "_TaskQueue":
        """Return the queue of a task; a new one if it has none."""
        return self._tasks.get(task) or _TaskQueue(self._recent.get(task, (0.0, 0))[0])

    def _schedule(self, task: str) -> None:
        queue = self._tasks[task]
        heapq.heappush(self._heap, (next(queue.start_tags()), queue.first_arrival, task))
        self._scheduled.add(task)

    def _serve(self, task: str, start: float) -> Row:
        queue = self._tasks[task]
        row, (arrived, _) = next(iter(queue.rows.items()))
        queue.finish_tag = max(arrived, queue.finish_tag) + 1
        self._advance(task, start, queue.finish_tag)
        self.discard(row)
        if task in self._tasks:
            self._schedule(task)
        return row

    def _advance(self, task: str, start: float, finish: float) -> None:
        """Advance virtual time: a row of the task with these tags is served."""
        self._served += 1
        self._recent[task] = (finish, self._served)
        self._recent.move_to_end(task)
        while next(iter(self._recent.values()))[1] <= self._served - RECENT_IMAGES:
            self._recent.popitem(last=False)
        advanced = self._time + SLACK_FACTOR / len(self._recent)
        self._time = min(max(advanced, start), start + LEAD_IMAGES)


@dataclass(slots=True)
class _TaskQueue:
    """The waiting rows of a task.

    Attributes:
        finish_tag: of the task's row that was served last, in virtual time.
        rows: the virtual time of each row's arrival, and its arrival number. A dict in the order
            of arrival; an `OrderedDict`, because its first element is found at once however many
            were removed before it, which a plain dict cannot do.
    """

    finish_tag: float
    rows: OrderedDict[Row, tuple[float, int]] = field(default_factory=OrderedDict)

    @property
    def first_arrival(self) -> int:
        """The arrival number of the first row."""
        return next(iter(self.rows.values()))[1]

    def start_tags(self, more: Iterable[float] = ()) -> Iterator[float]:
        """Yield the start tag of each row, ascending, then of rows that arrive at times `more`."""
        finish = self.finish_tag
        for arrived in chain((arrived for arrived, _ in self.rows.values()), more):
            yield max(arrived, finish - BURST_ROWS)
            finish = max(arrived, finish) + 1
