"""A request's rows between its admission and its answer, and the ticket that holds their places."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from torch import Tensor

from facet_vision.backbone import Pixels

from .resident import Resident

Priority = Literal["high", "normal", "low"]


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """Scores of one row, (labels,), with the seconds it waited and the seconds its batch ran."""

    scores: Tensor
    queue_seconds: float
    forward_seconds: float


@dataclass(eq=False, slots=True)
class Row:
    """One image for one task, on its way through a batch.

    Attributes:
        ticket, place: the request, and which of its rows this is.
        resident, image: what is asked of what.
        queued: when it began to wait, seconds.
        twins: the rows that the engine answers from the same feature, this one among them; empty if there is no other.
            They are those of a request that ask tasks without prompts about one image.
    """

    ticket: "Ticket"
    place: int
    resident: Resident
    image: Pixels
    queued: float
    twins: tuple["Row", ...] = ()

    @property
    def share(self) -> float:
        """Its part of what the engine computes, in images: twins share one."""
        return 1 / max(1, len(self.twins))

    def is_needed(self, now: float) -> bool:
        """Whether anybody still waits: the client is there, no sibling has failed, and the deadline is ahead."""
        return not self.ticket.done and now < self.ticket.deadline


class RowQueue(Protocol):
    """Where a ticket was issued; see `batcher.Batcher`."""

    def clock(self) -> float:
        """Seconds, monotonic."""
        ...

    def enqueue(self, rows: Sequence[Row]) -> None:
        """Let the rows wait for a batch."""
        ...

    def close(self, ticket: "Ticket", rows: Sequence[Row]) -> None:
        """Take the ticket's rows out of the queue, those that still are in it, and give its places back."""
        ...


class Ticket:
    """A request's admission: its rows have places from here until the `with` block ends.

    Attributes:
        tasks, images: it is for this many images, each asked of every task.
        priority: how its rows are weighted against others'.
        deadline: when its answer is of no use any more, by the queue's clock.
    """

    def __init__(
        self,
        queue: RowQueue,
        tasks: Sequence[str],
        images: int,
        *,
        priority: Priority = "normal",
        deadline: float = math.inf,
    ) -> None:
        self.tasks, self.images, self.priority, self.deadline = tasks, images, priority, deadline
        self._queue = queue
        self._rows: list[Row] = []
        self._future: asyncio.Future[list[Answer]] | None = None
        self._answers: dict[int, Answer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._future is not None:
            self._future.cancel()
        self._queue.close(self, self._rows)
        for row in (
            self._rows
        ):  # they hold each other and this ticket: without the circles all goes at once
            row.twins = ()
        self._rows = []

    @property
    def done(self) -> bool:
        """Answered, failed or given up."""
        return self._future is not None and self._future.done()

    async def run(self, rows: Sequence[tuple[Resident, Pixels]]) -> list[Answer]:
        """Wait for the answers of the admitted rows, in their order.

        Raises:
            ForwardFailed: the forward of one of the rows failed.
        """
        assert len(rows) == self.images * len(self.tasks), (
            "a ticket is for the rows it was admitted with"
        )
        self._future = asyncio.get_running_loop().create_future()
        self._rows = self._make(rows)
        self._queue.enqueue(self._rows)
        return await self._future

    def answer(self, place: int, answer: Answer | Exception) -> None:
        """Settle one row; the last one wakes the request, the first failure ends it."""
        if self._future is None or self._future.done():
            return
        if isinstance(answer, Exception):
            self._future.set_exception(answer)
            return
        self._answers[place] = answer
        if len(self._answers) == len(self._rows):
            self._future.set_result([self._answers[place] for place in range(len(self._rows))])

    def _make(self, rows: Sequence[tuple[Resident, Pixels]]) -> list[Row]:
        now, bare = self._queue.clock(), defaultdict[int, list[Row]](list)  # the latter by image
        made = [
            Row(self, place, resident, image, now) for place, (resident, image) in enumerate(rows)
        ]
        for row in made:
            if row.resident.prefix.is_empty:
                bare[id(row.image)].append(row)
        for twins in bare.values():
            together = tuple(twins)
            for row in together:
                row.twins = together
        return made
