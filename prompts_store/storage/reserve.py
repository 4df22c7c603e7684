"""Space in a folder that is kept for what frees space.

On a full disk a task must still be retired, rolled back and deleted, and each of these writes an
event. The reserve is a file of that much space; it is removed when an event finds no room, and
made again as soon as there is some.
"""

import contextlib
import os
import secrets
from pathlib import Path

from facet_vision.prompts_store.durable import Sync, write_new

RESERVE = ".reserve"
RESERVE_BYTES = 256 * 1024
"""Room for dozens of events, each of which takes a block of the file system."""


class Reserve:
    """The reserve of the folder `root`, which any number of processes share."""

    def __init__(self, root: Path, staging: Path, sync: Sync) -> None:
        self._path = root / RESERVE
        self._staging = staging
        self._sync = sync

    def fill(self) -> None:
        """Make the reserve if it is not there; raise OSError where there is no room for it."""
        if self._path.exists():
            return
        staged = self._staging / secrets.token_hex(16)
        try:
            # Random bytes take their room on a file system that compresses, too.
            write_new(staged, os.urandom(RESERVE_BYTES), self._sync)
            staged.replace(self._path)
        finally:
            staged.unlink(missing_ok=True)

    def try_fill(self) -> None:
        """Make the reserve if there is room for it."""
        with contextlib.suppress(OSError):
            self.fill()

    def release(self) -> None:
        """Free the space; nothing happens if another process did."""
        self._path.unlink(missing_ok=True)
