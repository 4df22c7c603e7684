"""A file that is replaced atomically and durably."""

from pathlib import Path

from facet_vision.prompts_store.durable import replace
from tests.prompts_store.sync_watch import Watch


def test_replace_syncs_the_file_before_and_the_folder_after(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "file")
    replace(tmp_path / "file", b"data", watch)
    assert [named for _, named in watch.log] == [False, True]
    assert (tmp_path / "file").read_bytes() == b"data"
