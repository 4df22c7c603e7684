"""Numbers as people read them, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .intervals import Interval
from .scores import Difference, Score

NONE = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[str]) -> str:
    """A table in Markdown; columns but those of words, named by their heads, are aligned to the right."""
    rule = ["---" if name in words else "---:" for name in head]
    lines = [[_cell(text) for text in line] for line in (head, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:z.1f}"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+z.1f}".replace("-", "−")


def interval(found: Interval | None) -> str:
    """In percentage points."""
    return NONE if found is None else f"{points(found.low)} to {points(found.high)}"


def score(found: Score | None) -> str:
    """In percent, with the standard deviation; a star where it is not over all tasks."""
    if found is None:
        return NONE
    spread = "" if found.spread is None else f" ± {percent(found.spread)}"
    return f"{percent(found.mean)}{spread}{'*' if found.lacking else ''}"


def difference(found: Difference) -> str:
    """In percentage points, with the intervals that there are."""
    kinds = {"these tasks": found.here, "tasks like these": found.elsewhere}
    told = [f"{interval(bounds)} for {tasks}" for tasks, bounds in kinds.items() if bounds]
    return f"{points(found.mean)} points ({'95 % interval ' + ', '.join(told) if told else 'no interval'})"


def ratio(found: float | None) -> str:
    return NONE if found is None else f"{found:.2f}"


def number(value: float) -> str:
    """Three significant digits, for rates and times."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def listing(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))


def count(number: int, what: str) -> str:
    """So many of what has a plural in s."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
