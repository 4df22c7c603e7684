"""Support for the tests of the memory tiers: watched storage, and tasks that name themselves."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, sleep
from typing import Any

from obstore.store import MemoryStore
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, StoreUnavailable
from facet_vision.prompts_store.keys import Key, Kind
from facet_vision.prompts_store.storage.bucket import Bucket
from facet_vision.prompts_store.storage.objects import Objects
from facet_vision.service.components import Components
from tests.service.support.app import DEPTH, ask, numbered

FILE, HEADER, EVENT = "file", "header", "event"


class WatchedObjects(Bucket):
    """Objects in memory.

    Attributes:
        counts: of reads by kind and of listings.
        gate: while it is not set, reads of whole task files wait.
        entered: released by each read that has reached the gate.
        is_down: whether reads fail for now.
        damage: changes what a read of a path returns.
    """

    def __init__(self, memory: MemoryStore | None = None) -> None:
        super().__init__(memory or MemoryStore())
        self.counts: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.is_down = False
        self.damage: Callable[[str, bytes], bytes] = lambda _, data: data

    def read(self, path: str, length: int | None = None) -> bytes:
        kind = EVENT if path.endswith(".json") else FILE if length is None else HEADER
        data = super().read(path, length)
        self.counts[kind] += 1
        if kind == FILE:
            self.entered.release()
            assert self.gate.wait(20)
        if self.is_down:
            raise StoreUnavailable(
                f"storage of '{path}': expected an answer, found the connection cut"
            )
        return self.damage(path, data)

    def keys(self, kind: Kind, task: str | None = None) -> list[Key]:
        self.counts["listing"] += 1
        return super().keys(kind, task)


def fill(objects: Objects, files: dict[str, bytes]) -> None:
    """Publish and activate a task for each name."""
    store = Store(objects)
    for task, data in files.items():
        store.activate(task, store.publish(task, data, by="test").number, by="test")


@contextmanager
def held_reads(objects: WatchedObjects) -> Iterator[None]:
    """Let reads of task files wait until the end of the block."""
    objects.gate.clear()
    try:
        yield
    finally:
        objects.gate.set()


def best(response: Any) -> tuple[int, str]:
    """Return version and best label of an answer to one image."""
    assert response.status_code == 200, response.text
    (result,) = response.json()["results"]
    return result["version"], result["predictions"][0]["label"]


def answer(client: Any, task: str) -> tuple[int, str]:
    return best(ask(client, task, top_k=1))


def many(small: Backbone, count: int) -> dict[str, bytes]:
    """Return task files that each answer with their own number."""
    return {
        f"task-{number:02}": numbered(small, f"task-{number:02}", number) for number in range(count)
    }


def components(client: TestClient) -> Components:
    return client.app.state.components  # type: ignore[attr-defined, no-any-return]


def on_device(client: TestClient) -> list[str]:
    return list(components(client).bank.device)


def small_budget(small: Backbone) -> int:
    """Return room on the device for the largest of `many`, and not for two of them."""
    head = 64 * (small.feature_dim + 1)
    return 4 * (head + 2 * DEPTH * 3 * small.feature_dim)


def wait_until(check: Callable[[], bool]) -> None:
    until = perf_counter() + 20
    while not check():
        assert perf_counter() < until
        sleep(0.005)


def refresh(client: TestClient) -> None:
    client.portal.call(components(client).publisher.refresh)  # type: ignore[union-attr]
