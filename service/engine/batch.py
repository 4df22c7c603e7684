"""One batch: its rows by resident, its answers, and its report."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from facet_vision.service.errors import BadRequest, ForwardFailed

from .engine import Group
from .resident import Answerer
from .rows import Exemplar, Row

logger = logging.getLogger("facet.service")

NOT_FINITE = "scores: expected finite numbers, found others"

Forward = Callable[[Sequence[Group]], Sequence[Tensor]]
"""Answers a batch given by groups: for each group its scores, (rows, labels), or its features."""


@dataclass(frozen=True, slots=True)
class Share:
    """One version's part in a batch.

    Attributes:
        task: its name.
        version: its number; 0 of the bare backbone.
        rows: how many were answered.
        failed: how many were not.
        queue_seconds: the wait of all of them together.
    """

    task: str
    version: int
    rows: int
    failed: int
    queue_seconds: float


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch that was answered, for the metrics.

    Attributes:
        rows: its size.
        tasks: how many tasks shared it.
        images: how many the engine computed; fewer than rows where several rows were answered
            from one feature.
        full: whether it was limited by its size; otherwise it took all there was for it.
        queue_seconds: the wait of each row.
        begun: when the forward began, by the batcher's clock.
        forward_seconds: what the forward took, retries included.
        head_seconds: the part of it that the heads took.
        exemplars: for each row the label that leads to its request's trace, if one is recorded.
        shares: of each version.
    """

    rows: int
    tasks: int
    images: int
    full: bool
    queue_seconds: Sequence[float]
    begun: float
    forward_seconds: float
    head_seconds: float
    exemplars: Sequence[Exemplar]
    shares: Sequence[Share]


def shares(
    groups: Sequence[Sequence[Row]], outcomes: Sequence[Tensor | Exception], begun: float
) -> list[Share]:
    """Return the part of each group in a batch.

    Args:
        groups: rows by what answers them.
        outcomes: of all rows, group by group.
        begun: when the batch left the queue, by its clock.
    """
    found = []
    rest = iter(outcomes)
    for rows in groups:
        failed = sum(isinstance(outcome, Exception) for outcome in islice(rest, len(rows)))
        wait = sum(begun - row.queued for row in rows)
        answerer = rows[0].resident
        found.append(Share(answerer.task, answerer.version, len(rows) - failed, failed, wait))
    return found


def by_resident(rows: Iterable[Row]) -> list[list[Row]]:
    """Group the rows by what answers them.

    The old and the new version of a task are two residents; a task's scores and its features are
    two answers.
    """
    groups: dict[Answerer, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.resident, []).append(row)
    return list(groups.values())


def answer(forward: Forward, groups: Sequence[Sequence[Row]]) -> list[Tensor | Exception]:
    """Return the scores or the feature of every row, group by group.

    When a mixed batch fails, each task is tried alone, so that only the faulty one fails. Of a
    batch that ends with numbers that are not finite, only the rows that have them fail.
    """
    try:
        answers = forward([(rows[0].resident, [row.image for row in rows]) for rows in groups])
    except Exception as error:
        if len(groups) > 1:
            return [outcome for rows in groups for outcome in answer(forward, [rows])]
        resident = groups[0][0].resident
        logger.exception("forward of task %r version %d failed", resident.task, resident.version)
        return [_failure(resident, error) for _ in groups[0]]
    outcomes = [row for group in answers for row in group.unbind()]
    if torch.cat([group.flatten() for group in answers]).isfinite().all():
        return list(outcomes)
    rows = [row for group in groups for row in group]
    return [
        outcome if outcome.isfinite().all() else _not_finite(row)
        for row, outcome in zip(rows, outcomes, strict=True)
    ]


def _not_finite(row: Row) -> Exception:
    """Return the error of a row whose numbers are infinite or NaN.

    Decoded pixels cannot cause that, but those that a client has normalised itself can.
    """
    if row.image.dtype == np.uint8:
        error = _failure(row.resident, ForwardFailed(NOT_FINITE))
        logger.error("%s", error)
        return error
    return BadRequest(
        "image: expected pixels that are normalised as the backbone takes them, found values for "
        "which its answer is not finite"
    )


def _failure(resident: Answerer, error: Exception) -> ForwardFailed:
    """Return what a client may see: our own sentence, or only the type of a foreign error.

    The log has the foreign error's text.
    """
    found = str(error) if isinstance(error, ForwardFailed) else type(error).__name__
    return ForwardFailed(f"task {resident.task!r}: expected a finished forward, found: {found}")
