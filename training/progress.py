"""The progress bar of a training run: epoch, loss, images per second, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from .fit import Step

SMOOTHING = 0.95
"""Weight of the past in the shown loss, an exponential mean over steps."""


class Throughput(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} images/s")


@contextmanager
def training_progress(console: Console, title: str, epochs: int, images: int) -> Iterator[Callable[[Step], None]]:
    """Show a bar on `console` while the block runs; yields what `fit` calls after every step.

    Args:
        images: number of training images, each seen once in each epoch.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}  loss {task.fields[loss]:.3f}"),
        Throughput(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(title, total=epochs * images, epoch=0, epochs=epochs, loss=float("nan"))
        shown = _Smoothed()

        def on_step(step: Step) -> None:
            progress.update(bar, advance=step.images, epoch=step.epoch + 1, loss=shown.add(step.loss))

        yield on_step


class _Smoothed:
    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, loss: float) -> float:
        self.value = loss if self.value is None else SMOOTHING * self.value + (1 - SMOOTHING) * loss
        return self.value
