"""Rows for the tests of the queue, without an engine."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from facet_vision.backbone import Adaptation
from facet_vision.prompts_store import Head
from facet_vision.service.engine.resident import Resident
from facet_vision.service.engine.rows import Priority, Row, Ticket
from tests.service.support.app import small_backbone, task_file


class IdleQueue:
    """Accepts rows and does nothing with them."""

    def clock(self) -> float:
        return 0.0

    def enqueue(self, rows: Sequence[Row]) -> None:
        pass

    def close(self, ticket: Ticket, rows: Sequence[Row]) -> None:
        pass


@cache
def resident(task: str, version: int = 1) -> Resident:
    """Return a task without prompts."""
    file = task_file(small_backbone(), task)
    return Resident(file.manifest, version, Adaptation(), Head(file.head.layers))


def row(
    task: str, priority: Priority = "normal", *, index: int = 0, deadline: float = math.inf
) -> Row:
    """Return a row of a request of its own."""
    ticket = Ticket(IdleQueue(), [task], 1, priority=priority, deadline=deadline)
    return Row(ticket, index, resident(task), np.empty((0, 0, 3), np.uint8), 0.0)
