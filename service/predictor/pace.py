"""Which requests an HTTP worker still passes on after the engine's process has refused some."""

from collections.abc import Callable
from dataclasses import dataclass

from facet_vision.service.errors import Overloaded

AHEAD = 1.5
"""Requests that are passed on, over those for which the engine makes room by its own estimate.

Those above 1 are refused, so that refusals go on while the queue is full. Should there be more room
than estimated, the queue still lasts until the refusals end.
"""

BURST_SECONDS = 0.05
"""So much of the pace that was not used may be made up for."""


class Pace:
    """Repeats refusals, and lets requests pass at the pace at which the engine makes room.

    A request that the engine's process refuses costs this process as much as one that it answers,
    but for the image. Beyond saturation most are refused; if each had to ask, little time would be
    left for those that are answered.

    Args:
        rows: that the engine holds when it is full.
        workers: HTTP workers, each of which passes on its part.
        clock: seconds, monotonic.
    """

    def __init__(self, rows: int, workers: int, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._workers = workers
        self._clock = clock
        self._refused: dict[str, _Refused] = {}

    def refused(self, task: str, error: Overloaded) -> None:
        """Note that a request for a task was refused now."""
        # A copy: the traceback of the raised error refers to everything that was under way.
        copy = Overloaded(str(error), error.retry_after)
        now = self._clock()
        # Tasks that nobody asks any more have no share of the pace.
        self._refused = {name: each for name, each in self._refused.items() if now < each.until}
        before = self._refused.get(task)
        begin = before.next if before else 0.0
        self._refused[task] = _Refused(copy, now + error.retry_after, begin)

    def refusal(self, task: str) -> Overloaded | None:
        """Return with which error a request is refused; None if it is to be passed on."""
        found = self._refused.get(task)
        if found is None:
            return None
        now = self._clock()
        if now >= found.until:
            del self._refused[task]
            return None
        if now < found.next:
            return found.error
        # Refused tasks share the pace evenly, as the engine shares its queue among tasks.
        shares = self._workers * len(self._refused)
        interval = found.error.retry_after / self._rows * shares / AHEAD
        found.next = max(found.next, now - BURST_SECONDS) + interval
        return None


@dataclass
class _Refused:
    """A task of which a request was refused.

    Attributes:
        error: with which.
        until: by then all that had been admitted is answered.
        next: when the next request may pass.
    """

    error: Overloaded
    until: float
    next: float
