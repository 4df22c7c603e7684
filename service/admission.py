"""A request's rows between its admission and its answer: the ticket, and the queue in which they wait."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from .bank import Resident


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """Scores of one row, (labels,), with the seconds it waited and the seconds its batch ran."""

    scores: Tensor
    queue_seconds: float
    forward_seconds: float


@dataclass(eq=False, slots=True)
class Row:
    """One image for one task, on its way through a batch."""

    ticket: "Ticket"
    place: int
    resident: Resident
    image: Tensor
    queued: float

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more: its client left, its deadline passed or a sibling failed."""
        return self.ticket.done


class FairQueue:
    """Rows that wait, in one line for each task; the lines take turns."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Row]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, row: Row) -> None:
        """Put a row at the end of its task's line; a new line is served last."""
        self._lines.setdefault(row.resident.task, deque()).append(row)
        self._length += 1

    def take(self, limit: int) -> list[Row]:
        """Remove up to `limit` rows, one of each task in turn; abandoned rows are dropped on the way."""
        taken: list[Row] = []
        while self._lines and len(taken) < limit:
            task, line = self._lines.popitem(last=False)
            row = line.popleft()
            self._length -= 1
            if line:
                self._lines[task] = line
            if not row.abandoned:
                taken.append(row)
        return taken


class Ticket:
    """A request's admission: its rows have a place from here until the `with` block ends.

    Args:
        rows: how many rows it is for.
        enqueue: puts rows in the queue.
        release: gives the places back.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        rows: int,
        enqueue: Callable[[Sequence[Row]], None],
        release: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        self.rows, self._enqueue, self._release, self._clock = rows, enqueue, release, clock
        self._future: asyncio.Future[list[Answer]] | None = None
        self._answers: dict[int, Answer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._future is not None:
            self._future.cancel()
        self._release(self.rows)

    @property
    def done(self) -> bool:
        """Answered, failed or given up."""
        return self._future is not None and self._future.done()

    async def run(self, rows: Sequence[tuple[Resident, Tensor]]) -> list[Answer]:
        """Wait for the answers of the admitted rows, in their order; to cancel the wait drops the rows.

        Raises:
            ForwardFailed: the forward of one of the rows failed.
        """
        assert len(rows) == self.rows, "a ticket is for the rows it was admitted with"
        self._future = asyncio.get_running_loop().create_future()
        now = self._clock()
        self._enqueue([Row(self, place, resident, image, now) for place, (resident, image) in enumerate(rows)])
        return await self._future

    def answer(self, place: int, answer: Answer | Exception) -> None:
        """Settle one row; the last one wakes the request, the first failure ends it."""
        if self._future is None or self._future.done():
            return
        if isinstance(answer, Exception):
            self._future.set_exception(answer)
            return
        self._answers[place] = answer
        if len(self._answers) == self.rows:
            self._future.set_result([self._answers[place] for place in range(self.rows)])
