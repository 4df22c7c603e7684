"""Predictor beside the engine: binding to live versions, admission, the batch, the best labels."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np

from facet_vision.backbone import Pixels
from facet_vision.service.access import ANYONE, Keyring
from facet_vision.service.access.key import Key
from facet_vision.service.access.limits import Limits
from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.engine.resident import Resident
from facet_vision.service.engine.rows import Answer, Ticket
from facet_vision.service.errors import (
    BadRequest,
    BodyTooLarge,
    Overloaded,
    ServiceError,
    UnknownTask,
)
from facet_vision.service.residency.listing import Listing
from facet_vision.service.residency.resolver import TaskResolver
from facet_vision.service.telemetry.traces import current_span, exemplar

from .bulk import MAX_ANSWER_LABELS, aside
from .protocol import Prediction, PredictRequest


class LocalPredictor:
    """Answers predict requests with the engine of this process; see `Predictor`.

    Args:
        resolver: finds the versions that answer.
        listing: knows the names of all live tasks.
        batcher: admits and computes rows.
        limit: most rows of a request.
        count: called with a task and the number of images that it has answered.
        keys: what the callers may ask, and how much.
    """

    def __init__(
        self,
        resolver: TaskResolver,
        listing: Listing,
        batcher: Batcher,
        *,
        limit: int,
        count: Callable[[str, int], None],
        keys: Keyring | None = None,
    ) -> None:
        self._resolver = resolver
        self._listing = listing
        self._batcher = batcher
        self._limit = limit
        self._count = count
        self._keys = keys or Keyring()
        self._limits = Limits()

    async def check(self, request: PredictRequest, body: int | None) -> None:  # noqa: ARG002  (a check is cheap here)
        """See `Predictor.check`."""
        tasks = request.tasks or ()
        key = self._key(request)
        self._limits.check(key, request.images * max(1, len(tasks)))
        for task in tasks:
            self._resolver.check(task)
        self._batcher.check(
            tasks, request.images, priority=request.priority, deadline=request.deadline
        )

    def refusal(self, task: str) -> Overloaded | None:
        """See `Predictor.refusal`."""
        refusal = self._batcher.refusal(task)
        if refusal is not None:
            # A task that cannot answer for another reason gets that error from `check`.
            with suppress(ServiceError):
                self._resolver.check(task)
                return refusal
        return None

    @asynccontextmanager
    async def admit(self, request: PredictRequest) -> "AsyncIterator[_LocalAdmission]":
        """See `Predictor.admit`."""
        key = self._key(request)
        residents = await self._bind(request, key)
        _check_labels(request, residents)
        tasks = [resident.task for resident in residents]
        # The key's limits last: what the queue has no room for costs nothing of them.
        with (
            self._batcher.admit(
                tasks,
                request.images,
                priority=request.priority,
                deadline=request.deadline,
                exemplar=exemplar(),
            ) as ticket,
            self._limits.held(key, request.images * len(tasks)),
        ):
            yield _LocalAdmission(request, residents, ticket, self._count)

    def _key(self, request: PredictRequest) -> Key | None:
        """Return the key of the caller, if there are keys.

        Raises:
            Unauthorized, Forbidden: it does not hold any more, or not for these tasks.
        """
        key = self._keys.key(request.caller)
        if key is not None:
            for task in request.tasks or (None,):
                key.caller.require("infer", task)
        return key

    async def _bind(self, request: PredictRequest, key: Key | None) -> list[Resident]:
        """Return the versions that answer: the live ones, whatever is published from now on."""
        caller = key.caller if key else ANYONE
        tasks = request.tasks
        if tasks is None:
            tasks = [task for task in await self._listing.live() if caller.sees(task)]
        if (rows := request.images * len(tasks)) > self._limit:
            raise BodyTooLarge(
                f"request: expected at most {self._limit} images x tasks, found {rows}"
            )
        residents = await self._resolver.residents(tasks, skip_unavailable=request.tasks is None)
        if not residents:
            raise UnknownTask("tasks: expected at least one live task, found none")
        return residents


class _LocalAdmission:
    """A request with its residents and its ticket; see `Admission`."""

    def __init__(
        self,
        request: PredictRequest,
        residents: Sequence[Resident],
        ticket: Ticket,
        count: Callable[[str, int], None],
    ) -> None:
        self._request = request
        self._residents = residents
        self._ticket = ticket
        self._count = count

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Admission.answer`."""
        pairs = [(resident, image) for image in images for resident in self._residents]
        answers = await self._ticket.run(pairs)
        _record(answers)
        for resident in self._residents:
            self._count(resident.task, len(images))
        top_k = self._request.top_k

        def predictions() -> list[Prediction]:
            return [
                _prediction(resident, answer, top_k)
                for (resident, _), answer in zip(pairs, answers, strict=True)
            ]

        # All labels of a task are ranked, however few are answered with.
        return await aside(sum(len(answer.scores) for answer in answers), predictions)


def _record(answers: Sequence[Answer]) -> None:
    """Record the stages of a request, those of each batch that answered a part of it."""
    span = current_span.get()
    if not (span.trace and span.trace.sampled):
        return
    batches: dict[float, list[Answer]] = {}
    for answer in answers:
        batches.setdefault(answer.begun, []).append(answer)
    for begun, rows in batches.items():
        waited = max(row.queue_seconds for row in rows)
        heads, ended = rows[0].head_seconds, begun + rows[0].forward_seconds
        span.stage("queue", begun - waited, begun, rows=len(rows))
        span.stage("engine", begun, ended - heads, rows=len(rows))
        span.stage("head", ended - heads, ended, rows=len(rows))


def _check_labels(request: PredictRequest, residents: Sequence[Resident]) -> None:
    each = sum(min(request.top_k, len(resident.manifest.labels)) for resident in residents)
    if (labels := request.images * each) > MAX_ANSWER_LABELS:
        raise BadRequest(
            f"top_k: expected at most {MAX_ANSWER_LABELS} labels in the answer to all images and "
            f"tasks, found {labels}"
        )


def _prediction(resident: Resident, answer: Answer, top_k: int) -> Prediction:
    labels = resident.manifest.labels
    # With numpy: a torch operation releases the interpreter's lock, and the event loop would have
    # to queue for it again.
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
