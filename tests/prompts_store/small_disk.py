"""A disk that is small: one that a sync finds full, and a real one."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 4096


class SmallDisk:
    """A sync for a folder that has room for some bytes; beyond them it finds the disk full.

    So do file systems that look for room only when they write what they hold in memory.
    """

    def __init__(self, root: Path, room: int) -> None:
        self._root = root
        self._room = room

    def __call__(self, _: int) -> None:
        if self.used() > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def used(self) -> int:
        """Bytes in whole blocks; a file with two names counts once."""
        sizes: dict[int, int] = {}
        for folder, _, names in os.walk(self._root):
            for name in names:
                try:
                    known = os.lstat(os.path.join(folder, name))
                except FileNotFoundError:  # another thread has removed it
                    continue
                sizes[known.st_ino] = -(-known.st_size // BLOCK) * BLOCK
        return sum(sizes.values())


@contextmanager
def tmpfs(path: Path, size: int) -> Iterator[bool]:
    """Mount a file system of this size; whether the system allows it."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)
