"""One-sentence errors, tables and comma-separated options on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from .errors import UsageError
from .exits import ExitCode

if TYPE_CHECKING:
    from facet_vision.backbone import Backbone


@contextmanager
def one_sentence(command: str, code: ExitCode = ExitCode.FAILED) -> Iterator[None]:
    """Print an error that is a sentence for the person at the terminal and exit.

    Every exception class of this package has a message of one sentence, and so have those of the
    operating system. Any other exception is a fault of ours and passes with its traceback.

    Args:
        command: which one failed.
        code: to exit with, unless the error's class has an `exit_code` of its own.

    Raises:
        typer.Exit: in the place of such an error.
    """
    try:
        yield
    except Exception as error:
        if not _is_sentence(error):
            raise
        complain(f"facet {command}: {error}")
        raise typer.Exit(getattr(error, "exit_code", code)) from error


def complain(sentence: str) -> None:
    """Print an error."""
    typer.secho(sentence, fg="red", err=True)


def tell_resampled(backbone: Backbone) -> Backbone:
    """Print, on stderr, what of a backbone's weights was interpolated to its sizes; return it."""
    if backbone.resampled:
        typer.secho(f"{backbone.name}: {backbone.resampled}", err=True)
    return backbone


def _is_sentence(error: Exception) -> bool:
    package = __name__.partition(".")[0]
    if isinstance(error, BrokenPipeError):  # what reads our output has ended, as `head` does
        return False
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] == package


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with the cells of a column below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [line.rstrip() for line in lines]


def words(text: str) -> tuple[str, ...]:
    """Split an option that takes several values with commas between; each value once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def seeds_of(text: str) -> tuple[int, ...]:
    """Read seeds with commas between.

    Raises:
        UsageError: one of them is no whole number, or there is none.
    """
    parts = words(text)
    if not parts or not all(part.isdecimal() for part in parts):
        raise UsageError(f"seeds: expected whole numbers with commas between, found {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))
