"""A file that is replaced atomically and durably."""

import os
from pathlib import Path

from facet_vision.prompts_store.durable import replace


class Watch:
    """Syncs, and records for each call the file and whether the final name existed already."""

    def __init__(self, final: Path) -> None:
        self.final = final
        self.log: list[tuple[str, bool]] = []

    def __call__(self, descriptor: int) -> None:
        os.fsync(descriptor)
        self.log.append((os.readlink(f"/proc/self/fd/{descriptor}"), self.final.exists()))


def test_replace_syncs_the_file_before_and_the_folder_after(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "file")
    replace(tmp_path / "file", b"data", watch)
    assert [named for _, named in watch.log] == [False, True]
    assert (tmp_path / "file").read_bytes() == b"data"
