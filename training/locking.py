"""Lock of a folder that one process at a time may train in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facet_vision.prompts_store import durable

from .errors import TrainingError


@contextmanager
def locked(folder: Path, option: str) -> Iterator[None]:
    """Hold the folder while the block runs; it is created where it is missing.

    Args:
        option: the one that names the folder, for the message.

    Raises:
        TrainingError: it is a file, or another process holds it.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{option}: expected a folder, found the file {folder}")
    durable.make_folder(folder.absolute(), os.fsync)
    with (folder / "lock").open("w") as file:
        try:
            # lockf locks for the process, not for the file descriptor: data-loader workers that
            # outlive a killed process do not hold the lock
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise TrainingError(
                f"{option}: expected a folder that no training is using, found {folder} in use"
            ) from error
        except OSError:
            pass  # a file system without locks
        yield
