"""Files that survive a power cut.

Bytes reach the disk before the name does, and the name before the call returns.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

STAGING = ".staging"
STALE_SECONDS = 3600.0

Sync = Callable[[int], None]
"""Writes the file or folder of an open descriptor to the disk; tests inject it to see the order."""


class Folder:
    """A folder tree in which files are created once, durably."""

    def __init__(self, root: Path, sync: Sync = os.fsync) -> None:
        """Create `root` if need be, and remove what crashed writers left in it."""
        self.root = root
        self._sync = sync
        # Folders whose own name is known to be on the disk. It is not enough to sync those that
        # this process creates: another one may have created a folder a moment ago and not synced
        # it yet.
        self._synced_names = {root}
        make_folder(root / STAGING, sync)
        clean_staging(root, time.time())

    def create(self, path: str, data: bytes) -> None:
        """Write `data` to the new file root/path; raise FileExistsError where one exists.

        The bytes are written and synced under a staging name, then linked to the final one, so
        that a file with a final name is complete even after a crash. A link, unlike a rename,
        fails where the name is taken.
        """
        target = self.root / path
        make_folder(target.parent, self._sync)
        staged = self.root / STAGING / secrets.token_hex(16)
        try:
            _write(staged, data, self._sync)
            os.link(staged, target)
        finally:
            staged.unlink(missing_ok=True)
        sync_folder(target.parent, self._sync)
        self._sync_name(target.parent)

    def _sync_name(self, folder: Path) -> None:
        """Sync the names of `folder` and of its parents up to the root, each once per process."""
        if folder not in self._synced_names:
            self._sync_name(folder.parent)
            sync_folder(folder.parent, self._sync)
            self._synced_names.add(folder)


def replace(path: Path, data: bytes, sync: Sync = os.fsync) -> None:
    """Write `data` to `path` atomically and durably, in place of what was there."""
    staged = path.with_name(f".{secrets.token_hex(16)}")
    try:
        _write(staged, data, sync)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent, sync)


def make_folder(folder: Path, sync: Sync) -> None:
    """Create `folder` and its parents, syncing the parent of each new one."""
    if folder.is_dir():
        return
    make_folder(folder.parent, sync)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent, sync)


def sync_folder(folder: Path, sync: Sync) -> None:
    """Write the folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def clean_staging(root: Path, now: float) -> None:
    """Remove staged files that are at least STALE_SECONDS old at `now` (seconds since 1970)."""
    for staged in (root / STAGING).iterdir():
        # Another process may be cleaning, or finishing its own write, at this moment.
        with contextlib.suppress(FileNotFoundError):
            if staged.stat().st_mtime <= now - STALE_SECONDS:
                staged.unlink()


def _write(path: Path, data: bytes, sync: Sync) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        sync(file.fileno())
