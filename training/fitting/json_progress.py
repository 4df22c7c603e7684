"""Progress of a training as JSON lines, for a program that reads them while it runs.

{"phase": "trying", "method": "lora", "done": 2, "total": 7}
{"phase": "trying", "method": "lora", "done": 3, "total": 7, "score": 0.875}
{"phase": "training", "method": "lora", "done": 12, "total": 100, "loss": 0.41}
{"note": "chosen: lora"}
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from facet_vision.training.recipe import Recipe

from .loop import Step

LINE_SECONDS = 0.5
"""Least time from one line about steps to the next."""


class JsonProgress:
    """Writes the lines.

    Args:
        write: takes a line, without a line feed.
        clock: seconds.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock

    def note(self, sentence: str, *, warning: bool = False) -> None:
        """Write a sentence for people."""
        self._line(**{"warning" if warning else "note": sentence})

    def phase(self, phase: str, **facts: Any) -> None:
        """Write that a phase has begun, or how far it is."""
        self._line(phase=phase, **facts)

    def trial(self, method: str, done: int, total: int, score: float | None) -> None:
        """Write that a method is tried, with its score once it has one."""
        self.phase("trying", method=method, done=done, total=total, **_given(score=score))

    @contextmanager
    def training(self, recipe: Recipe, images: int) -> Iterator[Callable[[Step], None]]:
        """Write how far the training is while the block runs; yield the callback of its steps."""
        self.phase("training", method=recipe.method, done=0, total=recipe.epochs, images=images)
        steps = _Steps(self, recipe.method, recipe.epochs, self._clock)
        yield steps.on_step
        steps.end()

    def _line(self, **facts: Any) -> None:
        self._write(json.dumps(facts, ensure_ascii=False))


class _Steps:
    def __init__(
        self, told: JsonProgress, method: str, epochs: int, clock: Callable[[], float]
    ) -> None:
        self.told = told
        self.facts = {"method": method, "total": epochs}
        self.clock = clock
        self.due = clock()
        self.epoch = -1
        self.images, self.loss = 0, 0.0  # of this epoch so far
        self.score: float | None = None

    def on_step(self, step: Step) -> None:
        if step.epoch != self.epoch:
            self.epoch, self.images, self.loss = step.epoch, 0, 0.0
        self.images += step.images
        self.loss += step.loss * step.images
        self.score = step.validation
        if self.clock() >= self.due:
            self._say(step.epoch)

    def end(self) -> None:
        if self.images:
            self._say(self.epoch + 1)

    def _say(self, done: int) -> None:
        self.due = self.clock() + LINE_SECONDS
        loss = round(self.loss / self.images, 5)
        self.told.phase("training", done=done, loss=loss, **self.facts, **_given(score=self.score))


def _given(**facts: float | None) -> dict[str, float]:
    return {name: value for name, value in facts.items() if value is not None}
