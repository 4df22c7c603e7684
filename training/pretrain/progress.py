"""Progress bar of a pretraining run.

It counts generated images, then steps.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from rich import progress as rich_progress


class Progress(Protocol):
    """Receives the progress of a run."""

    def begin(self, title: str, total: int, done: int = 0) -> None: ...

    def advance(self, amount: int) -> None: ...


class NoProgress(AbstractContextManager["NoProgress"]):
    """Progress that is not shown: for the workers beside the first, and for tests."""

    def begin(self, title: str, total: int, done: int = 0) -> None: ...

    def advance(self, amount: int) -> None: ...

    def __exit__(self, *error: object) -> None: ...


class _Bar(AbstractContextManager["_Bar"]):
    """A bar on the terminal."""

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
    """Make a rich progress bar, shown while the `with` block runs."""
    return _Bar()
