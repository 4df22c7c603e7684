"""What a predict call asks of whoever has the engine, and what comes back: the seam between HTTP and the batch.

In one process the two sides are `predict` and `predictor`; with HTTP workers of their own, `frontend` lies between them.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from facet_vision.backbone import Pixels
from facet_vision.service.engine.rows import Priority
from facet_vision.service.errors import Overloaded


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What a predict call wants to know.

    Attributes:
        tasks: names; None for every task that answers.
        images: how many there are, each asked of every task.
        deadline: when the answer is of no use any more, in seconds of the process's clock.
        top_k: how many labels are wanted.
        priority: how it competes with others.
    """

    tasks: Sequence[str] | None
    images: int
    deadline: float
    top_k: int = 5
    priority: Priority = "normal"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One task's answer for one image.

    Attributes:
        task, version: who answered.
        field: what the numbers are.
        best: labels with their numbers, best first.
        queue_seconds, forward_seconds: how long it waited for its batch, and how long that ran.
    """

    task: str
    version: int
    field: Literal["probability", "score"]
    best: Sequence[tuple[str, float]]
    queue_seconds: float
    forward_seconds: float


class Admission(Protocol):
    """A question that was let in: its tasks are bound to their versions, its rows have places."""

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """The answers of all tasks for the first image, then for the second, and so on.

        Raises:
            ForwardFailed: the forward of one of the rows failed.
        """
        ...


class Predictor(Protocol):
    """Answers questions."""

    async def check(self, question: PredictRequest, body: int | None) -> None:
        """Raise what `admit` would raise, as far as that is soon told; for a call whose body is not read yet.

        Args:
            body: how many bytes that body is said to have; None if nothing is said. To read a short one may cost less
                than to find out that there was no need for it.
        """
        ...

    def refusal(self, task: str) -> Overloaded | None:
        """Why one image for a task, on no terms of its own, would not be let in now for want of room.

        None if it would, if something else stands against it, or if that is not known here.
        """
        ...

    def admit(self, question: PredictRequest) -> AbstractAsyncContextManager[Admission]:
        """Bind and admit a question; it gives its places back at the end of the block.

        Raises:
            UnknownTask, TaskUnavailable: one of the tasks cannot be asked.
            BodyTooLarge: it has more rows than could ever be admitted.
            Overloaded, DeadlineUnreachable, TooManyMisses, Draining: not now.
        """
        ...
