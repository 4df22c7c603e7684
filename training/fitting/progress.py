"""Progress of a training run: epoch, loss, throughput, time left.

It is a bar on a terminal, and elsewhere a line every few seconds; `json_progress` tells the same to
programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from facet_vision.common.pacing import Pace
from facet_vision.training.recipe import Recipe

from .loop import Step

SMOOTHING = 0.95
"""Weight of the past in the displayed loss, an exponential mean over steps."""


class Told(Protocol):
    """Whom a run tells how far it is."""

    def note(self, sentence: str, *, warning: bool = False) -> None:
        """Tell a sentence for people."""
        ...

    def phase(self, phase: str, **facts: Any) -> None:
        """Tell that a phase has begun, or how far it is."""
        ...

    def trial(self, method: str, done: int, total: int, score: float | None) -> None:
        """Tell that a method is tried, with its score once it has one."""
        ...

    def training(
        self, recipe: Recipe, images: int
    ) -> AbstractContextManager[Callable[[Step], None]]:
        """Tell how far the training is while the block runs; give the callback of its steps."""
        ...


class ConsoleProgress:
    """Tells people, for whom notes and the progress of the training are enough."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, sentence: str, *, warning: bool = False) -> None:
        style = "yellow" if warning else None
        self._console.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)

    def phase(self, phase: str, **facts: Any) -> None: ...

    def trial(self, method: str, done: int, total: int, score: float | None) -> None: ...

    def training(
        self, recipe: Recipe, images: int
    ) -> AbstractContextManager[Callable[[Step], None]]:
        return training_progress(self._console, recipe.task, recipe.epochs, images)


class Throughput(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} images/s")


@contextmanager
def training_progress(
    console: Console,
    title: str,
    epochs: int,
    images: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[Step], None]]:
    """Show progress on `console` while the block runs; yield the callback for `fit`'s steps.

    Args:
        images: number of training images, each seen once in each epoch.
        clock: seconds.
    """
    show = progress_bar if console.is_terminal else progress_lines
    with show(console, title, epochs, images, clock) as on_step:
        yield on_step


@contextmanager
def progress_lines(
    console: Console, title: str, epochs: int, images: int, clock: Callable[[], float]
) -> Iterator[Callable[[Step], None]]:
    """Print a line every few seconds, and one about the last step."""
    lines = _Lines(console, title, epochs, images, clock)
    yield lines.on_step
    lines.end()


@contextmanager
def progress_bar(
    console: Console, title: str, epochs: int, images: int, clock: Callable[[], float]
) -> Iterator[Callable[[Step], None]]:
    """Show a bar, also where the console is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(None, table_column=Column(ratio=1)),  # takes the width that the text leaves
        TextColumn("{task.fields[reached]}", table_column=Column(no_wrap=True)),
        Throughput(Column(no_wrap=True)),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, get_time=clock) as progress:
        bar = _Bar(progress, title, epochs, images)
        try:
            yield bar.on_step
        finally:
            bar.end()


class _Reached:
    """Where a training is: its epoch, and the loss, smoothed."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.loss: float | None = None  # None before the first step

    def after(self, step: Step, separator: str) -> str:
        """Return what to show after a step."""
        before = step.loss if self.loss is None else self.loss
        self.loss = SMOOTHING * before + (1 - SMOOTHING) * step.loss
        parts = [f"epoch {step.epoch + 1}/{self.epochs}", f"loss {self.loss:.3f}"]
        if step.validation is not None:
            parts.append(f"validation {step.validation:.3f}")
        return separator.join(parts)


class _Lines:
    def __init__(
        self, console: Console, title: str, epochs: int, images: int, clock: Callable[[], float]
    ) -> None:
        self.console = console
        self.title = title
        self.images = images
        self.clock = clock
        self.total = epochs * images
        self.reached = _Reached(epochs)
        self.text = ""  # what the last step reached
        self.pace: Pace | None = None
        self.said = True

    def on_step(self, step: Step) -> None:
        self.text = self.reached.after(step, ", ")
        if self.pace is None:
            # the first step of this process: the work of an earlier one is no part of the speed
            done = step.epoch * self.images + step.images
            self.pace = Pace(self.total, done, self.clock)
            self.said = False
            return
        self.said = self.pace.advance(step.images)
        if self.said:
            self._say(f"{self.text}, {self.pace.speed:,.0f} images/s, {self.pace.left()}")

    def end(self) -> None:
        """Say what was reached, unless the last line did or there was no step."""
        if not self.said:
            self._say(self.text)

    def _say(self, line: str) -> None:
        self.console.print(f"{self.title}: {line}", markup=False, highlight=False, soft_wrap=True)


class _Bar:
    def __init__(self, progress: Progress, title: str, epochs: int, images: int) -> None:
        self.progress = progress
        self.images = images
        self.reached = _Reached(epochs)
        self.task = progress.add_task(title, total=epochs * images, reached="")

    def on_step(self, step: Step) -> None:
        if self.reached.loss is None:
            # the first step of this process: the work of an earlier one is no part of the speed
            self.progress.reset(self.task, completed=step.epoch * self.images, reached="")
        reached = self.reached.after(step, "  ")
        self.progress.update(self.task, advance=step.images, reached=reached)

    def end(self) -> None:
        """Remove the bar of a fitting that made no step."""
        self.progress.live.transient = self.reached.loss is None
