"""A full disk loses nothing, and what frees space can still be done; on simulated and real ones."""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facet_vision.prompts_store import Store, StoreFull, VersionDeleted, VersionLive, open_store
from facet_vision.prompts_store.storage.folder import STAGING, Folder
from facet_vision.prompts_store.storage.reserve import RESERVE, RESERVE_BYTES
from tests.prompts_store.small_disk import SmallDisk, tmpfs

ROOM = 2**20
SIZE = 100_000

Open = Callable[[], Store]


@pytest.fixture(params=["simulated", "tmpfs"])
def open_small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """A function that opens a store in the folder `disk`, which has room for ROOM bytes."""
    root = tmp_path / "disk"
    root.mkdir()
    if request.param == "simulated":
        disk = SmallDisk(root, ROOM)
        yield lambda: Store(Folder(root, disk))
        return
    with tmpfs(root, ROOM) as mounted:
        if not mounted:
            pytest.skip("only root may mount a file system")
        yield lambda: open_store(root)


def fill(store: Store, task: str = "flowers") -> dict[int, bytes]:
    """Publish until there is no room; return what was acknowledged."""
    chance, stored = random.Random(task), {}
    for size in (SIZE, 5_000, 100):
        while True:
            data = chance.randbytes(size)
            try:
                stored[store.publish(task, data, by="ada").number] = data
            except StoreFull:
                break
    return stored


def check(store: Store, stored: dict[int, bytes], task: str = "flowers") -> None:
    state = store.state(task)
    assert [version.number for version in state.versions] == sorted(stored)
    for number, data in stored.items():
        assert store.read(task, number) == data


def test_what_was_acknowledged_stays_and_nothing_else(open_small: Open, tmp_path: Path) -> None:
    store = open_small()
    stored = fill(store)
    assert len(stored) > (ROOM - RESERVE_BYTES) // SIZE - 2
    for each in (store, open_small()):
        check(each, stored)
    assert os.listdir(tmp_path / "disk" / STAGING) == []
    files = sorted((tmp_path / "disk" / "flowers" / "versions").iterdir())
    assert [int(file.stem) for file in files] == sorted(stored)
    with pytest.raises(StoreFull):
        store.publish("birds", random.randbytes(SIZE), by="ada")
    assert store.tasks() == ["flowers"]


def test_tasks_are_activated_retired_and_deleted_on_a_full_disk(
    open_small: Open, tmp_path: Path
) -> None:
    store = open_small()
    stored = fill(store)
    last = max(stored)
    for _ in range(10):
        for number in (1, last):
            assert store.activate("flowers", number, by="ada").live == number
    with pytest.raises(StoreFull):  # the reserve is no room for versions
        store.publish("flowers", random.randbytes(1000), by="ada")
    with pytest.raises(VersionLive):
        store.delete("flowers", last, by="ada")
    assert store.retire("flowers", by="ada").live is None
    for number in (1, 2, last):
        store.delete("flowers", number, by="ada")
        del stored[number]
        with pytest.raises(VersionDeleted):
            store.read("flowers", number)
    check(open_small(), stored)
    made = store.publish("flowers", random.randbytes(SIZE), by="ada")
    assert made.number == last + 1
    assert (tmp_path / "disk" / RESERVE).stat().st_size == RESERVE_BYTES
    assert store.activate("flowers", made.number, by="ada").live == made.number


def test_many_at_once_find_the_reserve(open_small: Open) -> None:
    store, other = open_small(), open_small()
    tasks = [f"task-{number}" for number in range(8)]
    for task in tasks:
        store.publish(task, task.encode(), by="ada")
    fill(store)

    def change(task: str) -> None:
        each = store if task < "task-4" else other
        each.activate(task, 1, by="ada")
        each.retire(task, by="ada")

    def upload(_: str) -> None:
        for size in (200_000, 150_000, 120_000):
            with pytest.raises(StoreFull):
                other.publish("large", random.randbytes(size), by="ada")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(change, tasks))
        uploads = pool.map(upload, ["large"] * 4)
        list(pool.map(change, tasks))
        list(uploads)
    assert all(len(store.state(task).events) == 5 for task in tasks)
