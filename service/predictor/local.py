"""Predictor beside the engine: binding to live versions, admission, the batch, the best labels."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np

from facet_vision.backbone import Pixels
from facet_vision.service.access import ANYONE, Keyring
from facet_vision.service.access.key import Key
from facet_vision.service.access.limits import Limits
from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.engine.resident import Answerer, Pooled, Reactivated, Resident
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

from .abstention import abstaining, decide
from .bulk import MAX_ANSWER_LABELS, aside
from .protocol import BACKBONE, Prediction, PredictRequest


class LocalPredictor:
    """Answers predict requests with the engine of this process; see `Predictor`.

    Args:
        resolver: finds the versions that answer.
        listing: knows the names of all live tasks.
        batcher: admits and computes rows.
        backbone: the backbone's own name.
        limit: most rows of a request.
        count: called with a task and the number of images that it has answered.
        keys: what the callers may ask, and how much.
        limits: how much they have asked; shared with whatever else computes for them.
    """

    def __init__(
        self,
        resolver: TaskResolver,
        listing: Listing,
        batcher: Batcher,
        *,
        backbone: str,
        limit: int,
        count: Callable[[str, int], None],
        keys: Keyring | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._resolver = resolver
        self._listing = listing
        self._batcher = batcher
        self._backbone = backbone
        self._limit = limit
        self._count = count
        self._keys = keys or Keyring()
        self._limits = limits or Limits()

    async def check(self, request: PredictRequest, body: int | None) -> None:  # noqa: ARG002  (a check is cheap here)
        """See `Predictor.check`."""
        tasks = request.tasks or ()
        key = self._key(request)
        self._limits.check(key, request.images * max(1, len(tasks)))
        for task in tasks:
            if not self._is_backbone(task, request):
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
        answerers = await self._bind(request, key)
        _check_labels(request, answerers)
        tasks = [answerer.task for answerer in answerers]
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
            yield _LocalAdmission(request, answerers, ticket, self._count)

    def _key(self, request: PredictRequest) -> Key | None:
        """Return the key of the caller, if there are keys.

        Raises:
            Unauthorized, Forbidden: it does not hold any more, or not for these tasks.
        """
        key = self._keys.key(request.caller)
        if key is not None and request.example_of is not None:
            key.caller.require("publish", request.example_of)
        elif key is not None:
            for task in request.tasks or (None,):
                # By whatever name, the bare backbone is one thing to a key's patterns.
                bare = task is not None and self._is_backbone(task, request)
                key.caller.require("infer", BACKBONE if bare else task)
        return key

    async def _bind(self, request: PredictRequest, key: Key | None) -> list[Answerer]:
        """Return what answers: the versions live now, whatever is published from now on."""
        caller = key.caller if key else ANYONE
        tasks = request.tasks
        if tasks is None:
            tasks = [task for task in await self._listing.live() if caller.sees(task)]
        if (rows := request.images * len(tasks)) > self._limit:
            raise BodyTooLarge(
                f"request: expected at most {self._limit} images x tasks, found {rows}"
            )
        bare = {task for task in tasks if self._is_backbone(task, request)}
        residents = await self._resolver.residents(
            [task for task in tasks if task not in bare], skip_unavailable=request.tasks is None
        )
        found = {resident.task: resident for resident in residents}
        answerers = [
            Pooled() if task in bare else _answerer(found[task], request)
            for task in tasks
            if task in bare or task in found
        ]
        if not answerers:
            raise UnknownTask("tasks: expected at least one live task, found none")
        if request.version not in (None, answerers[0].version):
            raise UnknownTask(
                f"version of task {answerers[0].task!r}: expected the live one, "
                f"{answerers[0].version}, found {request.version}"
            )
        return answerers

    def _is_backbone(self, task: str, request: PredictRequest) -> bool:
        """Return whether a name is that of the bare backbone, which has features but no labels."""
        if request.output != "features":
            return False
        return task == BACKBONE or (task == self._backbone and not self._resolver.knows(task))


class _LocalAdmission:
    """A request with what answers it, and its ticket; see `Admission`."""

    def __init__(
        self,
        request: PredictRequest,
        answerers: Sequence[Answerer],
        ticket: Ticket,
        count: Callable[[str, int], None],
    ) -> None:
        self._request = request
        self._answerers = answerers
        self._ticket = ticket
        self._count = count

    async def answer(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Admission.answer`."""
        pairs = [(answerer, image) for image in images for answerer in self._answerers]
        answers = await self._ticket.run(pairs)
        _record(answers)
        for answerer in self._answerers:
            self._count(answerer.task, len(images))
        request = self._request

        def predictions() -> list[Prediction]:
            return [
                _prediction(answerer, answer, request)
                for (answerer, _), answer in zip(pairs, answers, strict=True)
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


def _answerer(resident: Resident, request: PredictRequest) -> Answerer:
    if request.abstain:
        return abstaining(resident)
    if request.output == "features":
        return Pooled(resident)
    if request.activation in (None, resident.activation):
        return resident
    return Reactivated(resident, request.activation)


def _check_labels(request: PredictRequest, answerers: Sequence[Answerer]) -> None:
    each = sum(_most_labels(request, answerer) for answerer in answerers)
    if (labels := request.images * each) > MAX_ANSWER_LABELS:
        raise BadRequest(
            f"top_k: expected at most {MAX_ANSWER_LABELS} labels in the answer to all images and "
            f"tasks, found {labels}"
        )


def _most_labels(request: PredictRequest, answerer: Answerer) -> int:
    """Return how many labels there may be in an answer."""
    several = request.abstain and answerer.activation == "sigmoid"  # all that reach a threshold
    return len(answerer.labels) if several else min(request.top_k, len(answerer.labels))


def _prediction(answerer: Answerer, answer: Answer, request: PredictRequest) -> Prediction:
    # With numpy: a torch operation releases the interpreter's lock, and the event loop would have
    # to queue for it again.
    numbers = answer.scores.numpy()
    timings = answer.queue_seconds, answer.forward_seconds
    if answerer.head is None:
        return Prediction(answerer.task, answerer.version, "feature", (), *timings, numbers)
    decision = None
    if request.abstain:
        numbers, decision = decide(answerer, numbers)
    labels = answerer.labels
    best = np.argsort(-numbers, kind="stable")[: request.top_k]
    return Prediction(
        answerer.task,
        answerer.version,
        "score" if answerer.activation == "none" else "probability",
        [(labels[index], score) for index, score in zip(best, numbers[best].tolist(), strict=True)],
        *timings,
        numbers if request.output == "scores" else None,
        decision,
    )
