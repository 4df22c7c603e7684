"""How the training commands end when something is wrong: one line that a person can act on, and exit status 1."""

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
