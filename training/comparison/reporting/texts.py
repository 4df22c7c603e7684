"""Numbers formatted for readers, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .intervals import Interval
from .scores import Difference, Score

NONE = "–"
"""Stands for a number that is missing."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[str]) -> str:
    """Return a table in Markdown.

    Args:
        words: heads of the columns that hold words; the other columns are aligned to the right.
    """
    rule = ["---" if name in words else "---:" for name in head]
    lines = [[_cell(text) for text in line] for line in (head, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _cell(text: str) -> str:
    """Remove what would end the line or the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:z.1f}"


def points(share: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+z.1f}".replace("-", "−")


def interval(found: Interval | None) -> str:
    """Return the bounds in percentage points."""
    return NONE if found is None else f"{points(found.low)} to {points(found.high)}"


def score(found: Score | None) -> str:
    """Return the mean in percent with its standard deviation; a star where tasks are lacking."""
    if found is None:
        return NONE
    spread = "" if found.spread is None else f" ± {percent(found.spread)}"
    return f"{percent(found.mean)}{spread}{'*' if found.lacking else ''}"


def difference(found: Difference) -> str:
    """Return the mean in percentage points, with the intervals that there are."""
    kinds = {"these tasks": found.here, "tasks like these": found.elsewhere}
    bounds = [f"{interval(bounds)} for {tasks}" for tasks, bounds in kinds.items() if bounds]
    intervals = f"95 % interval {', '.join(bounds)}" if bounds else "no interval"
    return f"{points(found.mean)} points ({intervals})"


def clustered(found: Interval | None) -> str:
    """Return the interval of a difference over tasks."""
    return "no interval" if found is None else f"95 % interval by task {interval(found)}"


def ratio(found: float | None) -> str:
    return NONE if found is None else f"{found:.2f}"


def number(value: float) -> str:
    """Return a rate or time with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def listing(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))


def count(number: int, what: str) -> str:
    """Return a number with its noun, whose plural must end in s."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
