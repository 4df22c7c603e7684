"""Progress bar of a training run: epoch, loss, throughput, time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from .loop import Step

SMOOTHING = 0.95
"""Weight of the past in the displayed loss, an exponential mean over steps."""


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
    """Show a bar on `console` while the block runs; yield the callback for `fit`'s steps.

    Args:
        images: number of training images, each seen once in each epoch.
        clock: seconds.
    """
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


class _Bar:
    def __init__(self, progress: Progress, title: str, epochs: int, images: int) -> None:
        self.progress = progress
        self.epochs = epochs
        self.images = images
        self.task = progress.add_task(title, total=epochs * images, reached="")
        self.loss: float | None = None  # smoothed; None before the first step

    def on_step(self, step: Step) -> None:
        if self.loss is None:
            # the first step of this process: the work of an earlier one is no part of the speed
            self.progress.reset(self.task, completed=step.epoch * self.images, reached="")
            self.loss = step.loss
        else:
            self.loss = SMOOTHING * self.loss + (1 - SMOOTHING) * step.loss
        self.progress.update(self.task, advance=step.images, reached=self._reached(step, self.loss))

    def end(self) -> None:
        """Remove the bar of a fitting that made no step."""
        self.progress.live.transient = self.loss is None

    def _reached(self, step: Step, loss: float) -> str:
        validation = "" if step.validation is None else f"  validation {step.validation:.3f}"
        return f"epoch {step.epoch + 1}/{self.epochs}  loss {loss:.3f}{validation}"
