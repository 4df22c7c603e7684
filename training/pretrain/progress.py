"""The progress bar of a pretraining run: images made, then steps trained."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from rich import progress as rich_progress


class Progress(Protocol):
    """Told about the work as it goes."""

    def begin(self, title: str, total: int, done: int = 0) -> None: ...

    def advance(self, amount: int) -> None: ...


class NoProgress(AbstractContextManager["NoProgress"]):
    """For workers whose peer shows the bar, and for tests."""

    def begin(self, title: str, total: int, done: int = 0) -> None: ...

    def advance(self, amount: int) -> None: ...

    def __exit__(self, *error: object) -> None: ...


class _Bar(AbstractContextManager["_Bar"]):
    def __init__(self) -> None:
        self._display = rich_progress.Progress(
            rich_progress.TextColumn("{task.description:>6}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
        )

    def begin(self, title: str, total: int, done: int = 0) -> None:
        self._task = self._display.add_task(title, total=total, completed=done)

    def advance(self, amount: int) -> None:
        self._display.advance(self._task, amount)

    def __enter__(self) -> _Bar:
        self._display.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._display.stop()


def progress_bar() -> _Bar:
    """A rich progress bar, shown while the `with` block runs."""
    return _Bar()
