"""The order in which bytes and names reach the disk, and what crashed writers leave."""

import os
import time
from pathlib import Path

import pytest

from facet_vision.prompts_store import StoreUnavailable, open_store
from facet_vision.prompts_store.storage.folder import STAGING, STALE_SECONDS, Folder
from tests.prompts_store.sync_watch import Watch


def test_bytes_before_the_name_and_every_folder_before_the_return(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "a" / "root"
    watch = Watch(root / "task" / "versions" / "000001")
    Folder(root, watch).create("task/versions/000001", b"data")
    assert [path for path, _ in watch.log[:3]] == [str(tmp_path), str(root.parent), str(root)]
    staged = next(index for index, (path, _) in enumerate(watch.log) if STAGING in path)
    assert watch.log[staged][1] is False
    after = {path for path, named in watch.log[staged:] if named}
    assert after == {str(root / "task" / "versions"), str(root / "task"), str(root)}


def test_folders_made_by_another_process_are_synced_once(tmp_path: Path) -> None:
    (tmp_path / "task" / "events").mkdir(parents=True)
    watch = Watch(tmp_path / "task" / "events" / "2")
    folder = Folder(tmp_path, watch)
    folder.create("task/events/1", b"")
    assert str(tmp_path) in {path for path, _ in watch.log}
    watch.log.clear()
    folder.create("task/events/2", b"")
    assert [path for path, named in watch.log if named] == [str(tmp_path / "task" / "events")]


def test_a_taken_name_keeps_its_content(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create("x", b"first")
    with pytest.raises(FileExistsError):
        folder.create("x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert os.listdir(tmp_path / STAGING) == []


def test_a_failed_sync_is_no_success(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    folder = Folder(tmp_path)
    folder._sync = fail
    with pytest.raises(StoreUnavailable, match="storage of 'x': Input/output error"):
        folder.create("x", b"data")
    assert not (tmp_path / "x").exists()
    assert os.listdir(tmp_path / STAGING) == []


def test_leftovers_of_crashed_writers_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    open_store(tmp_path).publish("flowers", b"one", by="ada")
    old, young = tmp_path / STAGING / "old", tmp_path / STAGING / "young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, time.time() - STALE_SECONDS - 1))
    store = open_store(tmp_path)
    assert os.listdir(tmp_path / STAGING) == ["young"]
    assert store.heads() == {"flowers": 1}


def test_a_store_whose_folder_vanished_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    (tmp_path / "store" / STAGING).rmdir()
    with pytest.raises(StoreUnavailable, match=r"storage of 'flowers/versions/000001.safetensors'"):
        store.publish("flowers", b"one", by="ada")
