"""Progress of a pretraining run: generated images, then steps.

It is a bar on a terminal, and elsewhere a line every few seconds.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from rich import progress as rich_progress
from rich.console import Console

from facet_vision.common.pacing import Pace


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

    def __init__(self, console: Console) -> None:
        self._display = rich_progress.Progress(
            rich_progress.TextColumn("{task.description:>6}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=console,
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


class _Lines(AbstractContextManager["_Lines"]):
    """Lines for a log, and one at the end of each kind of work."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, title: str, total: int, done: int = 0) -> None:
        self._title = title
        self._pace = Pace(total, done)

    def advance(self, amount: int) -> None:
        due = self._pace.advance(amount)
        if due or self._pace.done >= self._pace.total:
            self._console.print(
                f"{self._title}: {self._pace.done} of {self._pace.total}, {self._pace.left()}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def __exit__(self, *error: object) -> None: ...


def shown_progress(console: Console | None = None) -> _Bar | _Lines:
    """Return progress that is shown on standard error, or `console`, in a `with` block."""
    console = console or Console(stderr=True)
    return _Bar(console) if console.is_terminal else _Lines(console)
