"""Contract between HTTP and the batch: what a predict call asks, and what it gets.

In one process the HTTP room calls `local`. With HTTP workers, a worker calls `remote`, whose
requests travel over a socket to `socket_server` in the engine's process, which calls `local`.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from facet_vision.backbone import Pixels
from facet_vision.service.engine.resident import BACKBONE as BACKBONE
from facet_vision.service.engine.resident import Activation as Activation
from facet_vision.service.engine.rows import Priority as Priority
from facet_vision.service.errors import Overloaded

Output = Literal["labels", "scores", "features"]
"""What a predict call wants: the best labels, with them the numbers of all labels in the task's
order, or the pooled feature that heads read."""


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What a predict call asks for.

    Attributes:
        tasks: names; None for every live task that the caller may see. For features, `BACKBONE` is
            the bare backbone, and so is its own name unless a task has that.
        images: how many there are; each is answered by every task.
        deadline: when the answer is of no use any more, in seconds of the process's clock.
        top_k: how many labels to return.
        priority: how its rows are weighted against others'.
        caller: name of the key that the client has shown; empty where no keys are configured.
        output: what is wanted; for features, `top_k` and `activation` are of no effect.
        activation: what makes scores of logits; None for what each task says itself.
        version: a stored one of the only task; None for whichever is live.
        example_of: the task that the images are to be examples of; the caller's key must let it
            publish this one, in place of asking the others.
        abstain: whether a task may answer with no label; not where features are wanted.
    """

    tasks: Sequence[str] | None
    images: int
    deadline: float
    top_k: int = 5
    priority: Priority = "normal"
    caller: str = ""
    output: Output = "labels"
    activation: Activation | None = None
    version: int | None = None
    example_of: str | None = None
    abstain: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What a task that may abstain makes of its numbers.

    Attributes:
        labels: what it answers with: the best label or none; where an image has several, all that
            reach their thresholds.
        several: whether an image may have several.
        distance: of the image from the nearest class; None where an image may have several.
        threshold: most that it may be.
        reason: a sentence that says why there is no label, where there is none.
    """

    labels: Sequence[str]
    several: bool
    distance: float | None = None
    threshold: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One task's answer for one image.

    Attributes:
        task: the task that answered; `BACKBONE` where it was the bare backbone.
        version: its version that answered; 0 of the bare backbone.
        field: what the numbers are.
        best: labels with their numbers, best first; none where the feature is the answer.
        queue_seconds: how long it waited for its batch.
        forward_seconds: how long its batch ran.
        numbers: the numbers of all labels, (labels,), or the pooled feature, (feature_dim,), where
            one of them was asked for.
        decision: what the task makes of them, where it may abstain.
    """

    task: str
    version: int
    field: Literal["probability", "score", "feature"]
    best: Sequence[tuple[str, float]]
    queue_seconds: float
    forward_seconds: float
    numbers: NDArray[np.float32] | None = None
    decision: Decision | None = None


class Admission(Protocol):
    """An admitted request: its tasks are bound to versions, and its rows are reserved."""

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """Return the predictions of all tasks for the first image, then for the second, and so on.

        Args:
            images: each as bytes or as floats that are normalised already, in any mixture.

        Raises:
            BadRequest: the answer to floats is not finite.
            ForwardFailed: the forward of one of the rows failed.
        """
        ...


class Predictor(Protocol):
    """Answers predict requests."""

    async def check(self, request: PredictRequest, body: int | None) -> None:
        """Raise what `admit` would raise, as far as that is known at once.

        For a call whose body has not been read yet.

        Args:
            request: what the call asks for.
            body: bytes of that body by its announced length; None if no length is announced. To
                read a short body may cost less than to find out that there was no need to.
        """
        ...

    def refusal(self, task: str) -> Overloaded | None:
        """Return the error that one image for a task, without options, would meet now.

        Only for want of room: None if there is room, if the task cannot answer for another
        reason, or if that is not known here.
        """
        ...

    def admit(self, request: PredictRequest) -> AbstractAsyncContextManager[Admission]:
        """Bind and admit a request; its rows are released at the end of the block.

        Raises:
            Unauthorized, Forbidden: the caller's key does not hold any more, or not for this.
            UnknownTask, TaskUnavailable: one of the tasks cannot answer, or not by that version.
            NoThreshold: one of them may abstain, and states no threshold.
            BodyTooLarge: it has more rows than could ever be admitted.
            TooManyRequests: the caller's key has no more images left for now.
            Overloaded, DeadlineUnreachable, TooManyMisses, Draining: it cannot be admitted now.
        """
        ...
