"""A server that is killed while it learns: what it has acknowledged is there after a new start."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.support.app import DEPTH, small_backbone, task_file, upload
from tests.service.support.processes import Nursery
from tests.service.support.shades import SHADES, best, shade, teach

KILLS = 4


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


def learn(url: str, first: int, acknowledged: set[str], stop: threading.Event) -> None:
    """Send examples, one after another, until the server is gone."""
    with httpx.Client(base_url=url, timeout=20) as client:
        for number in range(first, first + 1000):
            if stop.is_set():
                return
            label = list(SHADES)[number % len(SHADES)]
            try:
                answer = teach(client, "t", {label: [shade(label, number)]})
                if number % 7 == 0:
                    method = ("ncm", "knn", "lda")[number % 3]
                    client.patch("/v1/tasks/t/examples", params={"method": method})
            except httpx.TransportError:
                return
            assert answer.status_code == 201, answer.text
            acknowledged.update(answer.json()["examples"])


@pytest.mark.slow
def test_what_was_acknowledged_stays(nursery: Nursery, tmp_path: Path) -> None:
    """Under the adaptation of a task, while two clients add and the method changes."""
    chance = random.Random(0)
    acknowledged: set[str] = set()
    for kill in range(KILLS + 1):
        url = nursery.start(tmp_path)
        with httpx.Client(base_url=url, timeout=20) as client:
            if kill == 0:
                upload(client, task_file(small_backbone(), "flowers", layers=DEPTH))
                begun = teach(client, "t", {"dark": [shade("dark", 0)]}, adaptation="flowers")
                acknowledged.update(begun.json()["examples"])
            shown = client.get("/v1/tasks/t/examples").json()
            held = {id for each in shown["labels"] for id in each["examples"]}
            assert acknowledged <= held
            assert client.get("/v1/tasks/t").json()["manifest"]["layers"] == DEPTH
            best(client, "t", shade("dark", 1))
        if kill == KILLS:
            break
        stop = threading.Event()
        clients = [
            threading.Thread(
                target=learn, args=(url, 1 + 1000 * (2 * kill + each), acknowledged, stop)
            )
            for each in range(2)
        ]
        for each in clients:
            each.start()
        time.sleep(chance.uniform(0.5, 2.0))
        nursery.kill()
        stop.set()
        for each in clients:
            each.join()
    assert len(acknowledged) > 2 * KILLS
