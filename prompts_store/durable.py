"""Files that survive a power cut.

Bytes reach the disk before the name does, and the name before the call returns.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

Sync = Callable[[int], None]
"""Writes the file or folder of an open descriptor to the disk; tests inject it to see the order."""


def replace(path: Path, data: bytes, sync: Sync = os.fsync) -> None:
    """Write `data` to `path` atomically and durably, in place of what was there."""
    staged = path.with_name(f".{secrets.token_hex(16)}")
    try:
        write_new(staged, data, sync)
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


def write_new(
    path: str | Path,
    data: bytes,
    sync: Sync = os.fsync,
    folder: int | None = None,
    mode: int = 0o666,
) -> None:
    """Write `data` to the new file `path`, and to the disk.

    Args:
        path: from the open folder `folder` if one is given.
        data: the file's bytes.
        sync: writes the file to the disk.
        folder: descriptor of an open folder.
        mode: permissions, of which the process's mask takes some away.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, mode, dir_fd=folder), "wb") as file:
        file.write(data)
        file.flush()
        sync(file.fileno())
