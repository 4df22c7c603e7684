"""What the training commands share: options of several parts, and how they end when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def one_sentence(command: str) -> Iterator[None]:
    """Print an error that is a sentence for the person at the terminal; any other is a fault of ours and goes on.

    Raises:
        typer.Exit: with status 1, in the place of such an error.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if not _is_ours(error):
            raise
        from rich.console import Console

        line = f"facet {command}: {error}"
        Console(stderr=True).print(line, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _is_ours(error: Exception) -> bool:
    # Imported late: only a run that failed pays for torch here, and then it is loaded already.
    from backbone import BackboneError, ImageError
    from prompts_store import StoreError, TaskFileError

    from .errors import TrainingError

    return isinstance(error, TrainingError | BackboneError | ImageError | StoreError | TaskFileError | OSError)


def words(text: str) -> tuple[str, ...]:
    """The parts of an option that takes several with commas between, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def seeds_of(text: str) -> tuple[int, ...]:
    """Seeds with commas between; raises TrainingError."""
    from .errors import TrainingError

    parts = words(text)
    if not parts or not all(part.isdecimal() for part in parts):
        raise TrainingError(f"seeds: expected whole numbers with commas between, found {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))
