"""Many writers at once: every acknowledged version is there, once, under its own number."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from obstore.store import MemoryStore

from facet_vision.prompts_store import Store, StoreError, Version, open_store
from facet_vision.prompts_store.storage.bucket import Bucket
from facet_vision.prompts_store.storage.objects import Objects

OpenLocation = Callable[[], Objects]
WRITERS, EACH = 8, 6


def write(store: Store, writer: int, start: threading.Barrier) -> Iterator[tuple[Version, bytes]]:
    start.wait()
    for turn in range(EACH):
        data = f"{writer} {turn}".encode()
        version = store.publish("flowers", data, by=f"writer {writer}")
        store.activate("flowers", version.number, by=f"writer {writer}")
        yield version, data


def test_two_stores_with_many_threads_lose_nothing(open_location: OpenLocation) -> None:
    stores = [Store(open_location()), Store(open_location())]
    start = threading.Barrier(WRITERS)
    with ThreadPoolExecutor(WRITERS) as pool:
        lists = pool.map(
            lambda writer: list(write(stores[writer % 2], writer, start)), range(WRITERS)
        )
        acknowledged = [pair for pairs in lists for pair in pairs]
    assert len({version.number for version, _ in acknowledged}) == WRITERS * EACH
    reader = Store(open_location())
    state = reader.state("flowers")
    assert {v.number for v in state.versions} == {version.number for version, _ in acknowledged}
    assert all(reader.read("flowers", version.number) == data for version, data in acknowledged)
    assert len(state.events) == 2 * WRITERS * EACH
    assert {event.version for event in state.events if event.event == "activate"} == {
        v.number for v in state.versions
    }
    assert stores[0].state("flowers") == stores[1].state("flowers") == state


class SlowObjects(Bucket):
    """Takes its time to create, so that writers that do not wait for each other collide."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.collisions = 0

    def create(self, path: str, data: bytes, *, urgent: bool = False) -> None:
        sleep(0.005)
        try:
            super().create(path, data, urgent=urgent)
        except FileExistsError:
            self.collisions += 1
            raise


def test_writers_of_one_store_wait_for_each_other() -> None:
    objects = SlowObjects()
    store, start = Store(objects), threading.Barrier(WRITERS)

    def publish(writer: int) -> int:
        start.wait()
        return store.publish("flowers", b"%d" % writer, by="ada").number

    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = list(pool.map(publish, range(WRITERS)))
    assert sorted(numbers) == list(range(1, WRITERS + 1))
    assert objects.collisions == 0


def test_readers_see_the_history_only_grow(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.publish("flowers", b"first", by="ada")
    done = threading.Event()

    def watch() -> list[int]:
        seen = [len(store.state("flowers").events)]
        while not done.is_set():
            seen.append(len(store.state("flowers").events))
        return seen

    with ThreadPoolExecutor(3) as pool:
        watchers = [pool.submit(watch) for _ in range(3)]
        for number in range(30):
            store.publish("flowers", b"%d" % number, by="ada")
        done.set()
        for watcher in watchers:
            assert watcher.result() == sorted(watcher.result())


class TwoStores(RuleBasedStateMachine):
    """Any calls through two stores behave like a list of versions; some are gone, one is live."""

    def __init__(self) -> None:
        super().__init__()
        shared = MemoryStore()
        self.stores = [Store(Bucket(shared)), Store(Bucket(shared))]
        self.versions: list[bytes | None] = []  # None: deleted
        self.live: int | None = None

    @rule(which=st.integers(0, 1), data=st.binary(max_size=9))
    def publish(self, which: int, data: bytes) -> None:
        if data not in self.versions:
            self.versions.append(data)
        number = self.versions.index(data) + 1
        assert self.stores[which].publish("task", data, by="x").number == number

    @rule(which=st.integers(0, 1), number=st.integers(1, 5))
    def delete(self, which: int, number: int) -> None:
        if self._is_stored(number) and number != self.live:
            self.versions[number - 1] = None
            self.stores[which].delete("task", number, by="x")
        else:
            with pytest.raises(StoreError):
                self.stores[which].delete("task", number, by="x")

    def _is_stored(self, number: int) -> bool:
        return number <= len(self.versions) and self.versions[number - 1] is not None

    @rule(which=st.integers(0, 1), number=st.integers(1, 5))
    def activate(self, which: int, number: int) -> None:
        if self._is_stored(number):
            assert self.stores[which].activate("task", number, by="x").live == number
            self.live = number
        else:
            with pytest.raises(StoreError):
                self.stores[which].activate("task", number, by="x")

    @rule(which=st.integers(0, 1))
    def retire(self, which: int) -> None:
        if self.live is None:
            with pytest.raises(StoreError):
                self.stores[which].retire("task", by="x")
        else:
            assert self.stores[which].retire("task", by="x").live is None
            self.live = None

    @invariant()
    def agree(self) -> None:
        for store in self.stores if self.versions else ():
            state = store.state("task")
            assert state.live == self.live
            assert {v.number: v.sha256 for v in state.versions} == {
                number: hashlib.sha256(data).hexdigest()
                for number, data in enumerate(self.versions, 1)
                if data is not None
            }
            assert all(
                store.read("task", v.number) == self.versions[v.number - 1] for v in state.versions
            )
            assert store.heads() == {"task": state.head}


TwoStores.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
test_two_stores_behave_like_one = TwoStores.TestCase
