"""Files that survive a power cut: bytes reach the disk before the name does, and the name before the caller hears."""

import os
import secrets
import time
from pathlib import Path

STAGING = ".staging"
_STALE_SECONDS = 3600.0


def create(root: Path, path: str, data: bytes) -> None:
    """Write `data` to the new file root/path, durably; raise FileExistsError when it is there already.

    The bytes are written and synced under a staging name, then linked to the final one, so that a
    file with a final name is complete even after a crash. Folders on the way are created and synced.
    """
    target = root / path
    make_folder(target.parent, root)
    staged = root / STAGING / secrets.token_hex(16)
    make_folder(staged.parent, root)
    try:
        _write(staged, data)
        os.link(staged, target)
    finally:
        staged.unlink(missing_ok=True)
    # every folder up to the root: another process may have created one and not synced it yet
    for folder in (target.parent, *target.parent.parents):
        sync_folder(folder)
        if folder == root:
            break


def replace(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically and durably, in place of what was there."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(staged, data)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent)


def make_folder(folder: Path, root: Path | None = None) -> None:
    """Create `folder` and its parents (below `root` if given), syncing the parent of each new one."""
    if folder.is_dir():
        return
    if folder != root:
        make_folder(folder.parent, root)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean_staging(root: Path, now: float | None = None) -> int:
    """Remove what crashed writers left behind an hour ago or earlier; return how many files went."""
    before = (time.time() if now is None else now) - _STALE_SECONDS
    removed = 0
    for staged in (root / STAGING).glob("*"):
        if staged.stat().st_mtime < before:
            staged.unlink(missing_ok=True)
            removed += 1
    return removed


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
