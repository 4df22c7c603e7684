"""Progress for a log: a line every few seconds, where a terminal would show a bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

LINE_SECONDS = 5.0


class Pace:
    """When the next line is due, and how fast work gets on.

    Args:
        total: amount of all work.
        done: amount that an earlier process did, which is no part of this one's speed.
        clock: seconds.
    """

    def __init__(self, total: int, done: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.first = self.done = done
        self.clock = clock
        self.began = self.said = clock()

    def advance(self, amount: int) -> bool:
        """Count work that was done; return whether a line is due."""
        self.done += amount
        now = self.clock()
        due = now - self.said >= LINE_SECONDS
        if due:
            self.said = now
        return due

    @property
    def speed(self) -> float:
        """Amount per second; 0 before any time has passed."""
        elapsed = self.clock() - self.began
        return (self.done - self.first) / elapsed if elapsed > 0 else 0.0

    def left(self) -> str:
        """Return the time that the rest will take, as text."""
        if not self.speed:
            return "time left unknown"
        rest = max(0, self.total - self.done) / self.speed
        return f"{timedelta(seconds=round(rest))} left"
