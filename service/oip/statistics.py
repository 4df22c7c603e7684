"""Statistics of versions, as the protocol counts them: images, forwards and nanoseconds.

A version's forwards are those that it took part in, whichever tasks shared them. The time of a
success is its wait in the queue and its forward; images are decoded before they queue, which may be
in another process, and that time is in the metrics.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from facet_vision.service.engine.batch import BatchReport, Share
from facet_vision.service.residency.registry import Entry

Document = dict[str, Any]


@dataclass
class _Duration:
    count: int = 0
    seconds: float = 0.0

    def add(self, count: int, seconds: float) -> None:
        self.count += count
        self.seconds += seconds

    def document(self) -> Document:
        return {"count": self.count, "ns": round(self.seconds * 1e9)}


_NONE = _Duration()


@dataclass
class _Counts:
    """What is counted of one version.

    Attributes:
        last: when it answered last, milliseconds since 1970.
        images: that it has answered.
        forwards: in which it took part.
        success, fail: images with the time they took.
        queue, infer: the parts of that time.
        batches: by its images in a forward, the forwards of so many and their time.
    """

    last: int = 0
    images: int = 0
    forwards: int = 0
    success: _Duration = field(default_factory=_Duration)
    fail: _Duration = field(default_factory=_Duration)
    queue: _Duration = field(default_factory=_Duration)
    infer: _Duration = field(default_factory=_Duration)
    batches: dict[int, _Duration] = field(default_factory=dict)

    def add(self, share: Share, seconds: float, now: int) -> None:
        rows = share.rows + share.failed
        whole = share.queue_seconds + seconds * rows
        self.fail.add(share.failed, whole * share.failed / rows)
        self.forwards += 1
        if not share.rows:
            return
        self.last = now
        self.images += share.rows
        self.success.add(share.rows, whole * share.rows / rows)
        self.queue.add(share.rows, share.queue_seconds * share.rows / rows)
        self.infer.add(share.rows, seconds * share.rows)
        self.batches.setdefault(share.rows, _Duration()).add(1, seconds)

    def document(self) -> Document:
        none = _NONE.document()
        return {
            "last_inference": self.last,
            "inference_count": self.images,
            "execution_count": self.forwards,
            "inference_stats": {
                "success": self.success.document(),
                "fail": self.fail.document(),
                "queue": self.queue.document(),
                "compute_input": none,
                "compute_infer": self.infer.document(),
                "compute_output": none,
            },
            "batch_stats": [
                {
                    "batch_size": size,
                    "compute_input": none,
                    "compute_infer": spent.document(),
                    "compute_output": none,
                }
                for size, spent in sorted(self.batches.items())
            ],
        }


class Statistics:
    """What has been counted of each version since the server's start. Only the event loop uses it.

    Args:
        knows: whether the store has a task of that name; of others nothing is kept.
        clock: seconds since 1970.
    """

    def __init__(
        self, knows: Callable[[str], bool], clock: Callable[[], float] = time.time
    ) -> None:
        self._knows = knows
        self._clock = clock
        self._counts: dict[str, dict[int, _Counts]] = {}

    def count_batch(self, report: BatchReport) -> None:
        """Count a batch that was answered."""
        now = round(self._clock() * 1000)
        # A task's scores and its features are two shares of one forward.
        for share in _merged(report.shares):
            if self._knows(share.task):
                counts = self._counts.setdefault(share.task, {}).setdefault(
                    share.version, _Counts()
                )
                counts.add(share, report.forward_seconds, now)

    def documents(self, entries: Iterable[Entry], sees: Callable[[str], bool]) -> list[Document]:
        """Return the statistics of the live versions of those tasks that are seen."""
        return [
            self.document(entry.name, entry.live)
            for entry in entries
            if entry.live is not None and sees(entry.name)
        ]

    def document(self, task: str, live: int) -> Document:
        """Return the statistics of a task's live version, zeros if it has not answered yet."""
        counts = self._counts.get(task, {}).get(live, _Counts())
        return {"name": task, "version": str(live)} | counts.document()


def _merged(shares: Iterable[Share]) -> Iterable[Share]:
    merged: dict[tuple[str, int], Share] = {}
    for share in shares:
        key = share.task, share.version
        if (other := merged.get(key)) is not None:
            share = Share(
                *key,
                share.rows + other.rows,
                share.failed + other.failed,
                share.queue_seconds + other.queue_seconds,
            )
        merged[key] = share
    return merged.values()
