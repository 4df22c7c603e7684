"""Questions answered where the engine is: binding to live versions, admission, the batch, and the best labels."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np

from facet_vision.backbone import Pixels
from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.engine.resident import Resident
from facet_vision.service.engine.rows import Answer, Ticket
from facet_vision.service.errors import BodyTooLarge, Overloaded, ServiceError, UnknownTask
from facet_vision.service.residency.listing import Listing
from facet_vision.service.residency.resolver import TaskResolver

from .protocol import Prediction, PredictRequest


class EnginePredictor:
    """Answers questions by the engine of this process.

    Args:
        resolver: finds the versions that answer.
        listing: knows all tasks that answer.
        batcher: admits and computes rows.
        limit: most rows of a question.
        count: told how many images a task has answered.
    """

    def __init__(
        self,
        resolver: TaskResolver,
        listing: Listing,
        batcher: Batcher,
        *,
        limit: int,
        count: Callable[[str, int], None],
    ) -> None:
        self._resolver, self._listing, self._batcher, self._limit = (
            resolver,
            listing,
            batcher,
            limit,
        )
        self._count = count

    async def check(self, question: PredictRequest, body: int | None) -> None:  # noqa: ARG002  (it costs next to nothing)
        """See `Predictor.check`."""
        tasks = question.tasks or ()
        for task in tasks:
            self._resolver.check(task)
        self._batcher.check(
            tasks, question.images, priority=question.priority, deadline=question.deadline
        )

    def refusal(self, task: str) -> Overloaded | None:
        """See `Predictor.refusal`."""
        refusal = self._batcher.refusal(task)
        if refusal is not None:
            with suppress(ServiceError):  # what else stands against it is told the usual way
                self._resolver.check(task)
                return refusal
        return None

    @asynccontextmanager
    async def admit(self, question: PredictRequest) -> "AsyncIterator[_Admitted]":
        """See `Predictor.admit`."""
        residents = await self._bind(question)
        names, images = [resident.task for resident in residents], question.images
        with self._batcher.admit(
            names, images, priority=question.priority, deadline=question.deadline
        ) as ticket:
            yield _Admitted(question, residents, ticket, self._count)

    async def _bind(self, question: PredictRequest) -> list[Resident]:
        """The versions that answer: those that are live now, whatever is uploaded while the request waits."""
        tasks = await self._listing.live() if question.tasks is None else question.tasks
        if (rows := question.images * len(tasks)) > self._limit:
            raise BodyTooLarge(
                f"request: expected at most {self._limit} images x tasks, found {rows}"
            )
        residents = await self._resolver.residents(tasks, skip_unavailable=question.tasks is None)
        if not residents:
            raise UnknownTask("tasks: expected at least one live task, found none")
        return residents


class _Admitted:
    """A question with its residents and its places."""

    def __init__(
        self,
        question: PredictRequest,
        residents: Sequence[Resident],
        ticket: Ticket,
        count: Callable[[str, int], None],
    ) -> None:
        self._question, self._residents, self._ticket, self._count = (
            question,
            residents,
            ticket,
            count,
        )

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Admission.answer`."""
        pairs = [(resident, image) for image in images for resident in self._residents]
        answers = await self._ticket.run(pairs)
        for resident in self._residents:
            self._count(resident.task, len(images))
        top_k = self._question.top_k
        return [
            _prediction(resident, answer, top_k)
            for (resident, _), answer in zip(pairs, answers, strict=True)
        ]


def _prediction(resident: Resident, answer: Answer, top_k: int) -> Prediction:
    labels = resident.manifest.labels
    # By numpy: a torch operation lets go of the interpreter's lock, and the event loop would queue up for it again.
    scores = answer.scores.numpy()
    best = np.argsort(-scores, kind="stable")[:top_k]
    return Prediction(
        resident.task,
        resident.version,
        "score" if resident.manifest.activation == "none" else "probability",
        [(labels[index], score) for index, score in zip(best, scores[best].tolist(), strict=True)],
        answer.queue_seconds,
        answer.forward_seconds,
    )
