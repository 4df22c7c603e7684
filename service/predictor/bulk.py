"""Work on large answers, which must not hold the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from .protocol import Prediction

T = TypeVar("T")

MAX_ANSWER_LABELS = 100_000
"""Labels of all predictions of one answer; they take some 5 MB of JSON."""

BULKY = 5_000
"""From so many labels on a thread does the work; below, switching threads costs more than it."""


def label_count(predictions: Sequence[Prediction]) -> int:
    """Return how many labels or numbers there are in all predictions."""
    return sum(map(_labels, predictions))


def _labels(prediction: Prediction) -> int:
    decided = len(prediction.decision.labels) if prediction.decision else 0
    shown = len(prediction.best) if prediction.numbers is None else len(prediction.numbers)
    return shown + decided


async def aside(labels: int, work: Callable[[], T]) -> T:
    """Return what `work` returns; with `BULKY` labels or more, a thread calls it."""
    return await asyncio.to_thread(work) if labels >= BULKY else work()
