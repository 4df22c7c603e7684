"""Rows of a request between its admission and its answer, and the ticket that holds them."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from torch import Tensor

from facet_vision.backbone import Pixels

from .resident import Answerer

Priority = Literal["high", "normal", "low"]

Exemplar = dict[str, str] | None
"""The label that leads from a measurement to a request's trace, if one is recorded."""


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What one row gets, with the seconds it waited and the seconds its batch ran.

    Attributes:
        scores: (labels,), or the pooled feature, (feature_dim,).
        queue_seconds, forward_seconds: these.
        begun: when its batch began, by the queue's clock.
        head_seconds: the part of its batch that the heads took.
    """

    scores: Tensor
    queue_seconds: float
    forward_seconds: float
    begun: float = 0.0
    head_seconds: float = 0.0


@dataclass(eq=False, slots=True)
class Row:
    """One image for one task, on its way through a batch.

    Attributes:
        ticket: the request.
        index: which of the request's rows this is.
        resident: what answers it, usually the live version of the task.
        image: its pixels.
        queued: when it began to wait, seconds of the queue's clock.
        twins: the rows that the engine answers from the same feature, this one included; empty if
            there is no other. They are the rows of one image, in one request, for tasks
            without prompts.
    """

    ticket: "Ticket"
    index: int
    resident: Answerer
    image: Pixels
    queued: float
    twins: tuple["Row", ...] = ()

    @property
    def share(self) -> float:
        """Images that the engine computes for this row; twins share one."""
        return 1 / max(1, len(self.twins))

    def is_needed(self, now: float) -> bool:
        """Return whether the request still waits for it.

        It does not if the client has left, another of its rows has failed, or the deadline has
        passed.
        """
        return not self.ticket.done and now < self.ticket.deadline


class RowQueue(Protocol):
    """What a ticket needs of the batcher that issued it; see `batcher.Batcher`."""

    def clock(self) -> float:
        """Return the time in seconds, monotonic."""
        ...

    def enqueue(self, rows: Sequence[Row]) -> None:
        """Let the rows wait for a batch."""
        ...

    def close(self, ticket: "Ticket", rows: Sequence[Row]) -> None:
        """Discard those of the ticket's rows that still wait, and release its quota."""
        ...


class Ticket:
    """A request's admission: holds its reserved rows until the `with` block ends.

    Only the event loop calls its methods. The engine's threads read `done` and `deadline`.

    Attributes:
        tasks: names.
        images: how many there are; each is answered by every task.
        priority: how its rows are weighted against others'.
        deadline: when its answer is of no use any more, by the queue's clock.
        exemplar: leads to the request's trace.
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
        self.tasks = tasks
        self.images = images
        self.priority = priority
        self.deadline = deadline
        self.exemplar: Exemplar = None
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
        # Twins refer to each other and to this ticket. Without these reference cycles everything,
        # the residents' tensors included, is freed at once and not at the next garbage collection.
        for row in self._rows:
            row.twins = ()
        self._rows = []

    @property
    def done(self) -> bool:
        """Whether the request is answered, failed or cancelled."""
        return self._future is not None and self._future.done()

    async def run(self, rows: Sequence[tuple[Answerer, Pixels]]) -> list[Answer]:
        """Wait for the answers of the admitted rows, and return them in the order of the rows.

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

    def answer(self, index: int, answer: Answer | Exception) -> None:
        """Settle one row; the last answer wakes the request, the first failure ends it."""
        if self._future is None or self._future.done():
            return
        if isinstance(answer, Exception):
            self._future.set_exception(answer)
            return
        self._answers[index] = answer
        if len(self._answers) == len(self._rows):
            self._future.set_result([self._answers[index] for index in range(len(self._rows))])

    def _make(self, pairs: Sequence[tuple[Answerer, Pixels]]) -> list[Row]:
        now = self._queue.clock()
        rows = [
            Row(self, index, resident, image, now) for index, (resident, image) in enumerate(pairs)
        ]
        promptless: defaultdict[int, list[Row]] = defaultdict(list)  # by image
        for row in rows:
            if row.resident.adaptation.is_empty:
                promptless[id(row.image)].append(row)
        for same_image in promptless.values():
            twins = tuple(same_image)
            for row in twins:
                row.twins = twins
        return rows
