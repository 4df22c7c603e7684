"""kill -9 at random moments of uploads: what was acknowledged is there, nothing half-written is served."""

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from processes import Nursery
from service_parts import TASK_FILE, ask, numbered, small_backbone

KILLS = 50
TASKS = ("left", "right")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


class Uploader(threading.Thread):
    """Uploads and activates versions of one task until the server is gone, and keeps what was acknowledged."""

    def __init__(self, url: str, task: str, known: "Known") -> None:
        super().__init__()
        self._url, self._task, self._known = url, task, known
        self._small = small_backbone()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as client:
            try:
                while True:
                    self._upload(client)
            except httpx.TransportError:
                return  # killed

    def _upload(self, client: httpx.Client) -> None:
        number = self._known.next_number()
        data = numbered(self._small, self._task, number)
        self._known.sent[hashlib.sha256(data).hexdigest()] = number
        response = client.post(f"/v1/tasks/{self._task}/versions", content=data, headers=TASK_FILE)
        assert response.status_code == 201, response.text
        made = response.json()
        self._known.acknowledged[made["version"]] = made["sha256"]


class Known:
    """What the client of one task knows: what it sent, and what was acknowledged."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self.acknowledged: dict[int, str] = {}

    def next_number(self) -> int:
        return (len(self.sent) + 1) % 64


def test_fifty_kills(nursery: Nursery, tmp_path: Path) -> None:
    known, moments = {task: Known() for task in TASKS}, random.Random(0)
    url = nursery.start(tmp_path)
    for _ in range(KILLS):
        uploaders = [Uploader(url, task, known[task]) for task in TASKS]
        for uploader in uploaders:
            uploader.start()
        time.sleep(moments.uniform(0.0, 0.12))
        nursery.kill()
        for uploader in uploaders:
            uploader.join(20)
        url = nursery.start(tmp_path)
        with httpx.Client(base_url=url, timeout=20) as client:
            for task in TASKS:
                _check(client, task, known[task])
    assert all(len(task.acknowledged) > KILLS / 2 for task in known.values())


def _check(client: httpx.Client, task: str, known: Known) -> None:
    response = client.get(f"/v1/tasks/{task}")
    if response.status_code == 404:
        assert not known.acknowledged
        return
    document = response.json()
    stored = {version["number"]: version["sha256"] for version in document["stored"]}
    assert known.acknowledged.items() <= stored.items()
    assert set(stored.values()) <= set(known.sent)
    newest = max(known.acknowledged, default=0)
    if "live" not in document:
        assert not newest  # the first upload was cut off between publish and activate
        return
    assert document["state"] == "live"
    assert document["live"] >= newest
    (result,) = ask(client, task, top_k=1).json()["results"]
    assert result["version"] == document["live"]
    assert result["predictions"][0]["label"] == f"v{known.sent[stored[document['live']]]}"
    for number in list(stored)[-2:]:
        data = client.get(f"/v1/tasks/{task}/versions/{number}").content
        assert hashlib.sha256(data).hexdigest() == stored[number]
