"""The order in which a durable write syncs, observed."""

import os
from pathlib import Path


class Watch:
    """Syncs, and records for each call the file and whether the final name existed already."""

    def __init__(self, final: Path) -> None:
        self.final = final
        self.log: list[tuple[str, bool]] = []

    def __call__(self, descriptor: int) -> None:
        os.fsync(descriptor)
        self.log.append((os.readlink(f"/proc/self/fd/{descriptor}"), self.final.exists()))
