"""kill -9 at random moments of uploads.

What was acknowledged is stored, and nothing half-written is served.
"""

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from facet_vision.backbone import Backbone
from tests.service.support.app import TASK_FILE, ask, numbered
from tests.service.support.processes import Nursery


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


class Known:
    """What one task's clients know: what they sent, and what any of the servers acknowledged."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.sent: dict[str, int] = {}
        self.acknowledged: dict[int, str] = {}

    def upload(self, client: httpx.Client, small: Backbone) -> None:
        """Upload and activate the next version."""
        number = (len(self.sent) + 1) % 64
        # The same bytes would be the same version.
        data = numbered(small, self.task, number, description=f"upload {len(self.sent)}")
        self.sent[hashlib.sha256(data).hexdigest()] = number
        response = client.post(f"/v1/tasks/{self.task}/versions", content=data, headers=TASK_FILE)
        assert response.status_code == 201, response.text
        made = response.json()
        self.acknowledged[made["version"]] = made["sha256"]


def upload_until_killed(
    url: str, known: Known, small: Backbone, alarm: threading.Event, uploads: int
) -> None:
    """Upload versions until the server is gone; raise the alarm after some of them."""
    with httpx.Client(base_url=url, timeout=20) as client:
        try:
            for count in itertools.count():
                if count == uploads:
                    alarm.set()
                known.upload(client, small)
        except httpx.TransportError:
            return


@pytest.mark.parametrize(
    "kills",
    [4, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(1200)])],
)
def test_kills(nursery: Nursery, small: Backbone, tmp_path: Path, kills: int) -> None:
    tasks, moments = [Known("left"), Known("right")], random.Random(0)
    url = nursery.start(tmp_path)
    for _ in range(kills):
        alarm, uploads = threading.Event(), moments.randrange(3)
        with ThreadPoolExecutor() as pool:
            clients = [
                pool.submit(upload_until_killed, url, known, small, alarm, uploads)
                for known in tasks
            ]
            assert alarm.wait(30)
            time.sleep(moments.uniform(0.0, 0.03))
            nursery.kill()
        for client in clients:
            client.result()
        url = nursery.start(tmp_path)
        with httpx.Client(base_url=url, timeout=20) as http:
            for known in tasks:
                _check(http, known)
    acknowledged = sum(len(known.acknowledged) for known in tasks)
    print(f"{kills} kills, {acknowledged} versions acknowledged, all of them there")
    assert acknowledged > kills


def _check(client: httpx.Client, known: Known) -> None:
    response = client.get(f"/v1/tasks/{known.task}")
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
    (result,) = ask(client, known.task, top_k=1).json()["results"]
    assert result["version"] == document["live"]
    assert result["predictions"][0]["label"] == f"v{known.sent[stored[document['live']]]}"
    for number in list(stored)[-2:]:
        data = client.get(f"/v1/tasks/{known.task}/versions/{number}").content
        assert hashlib.sha256(data).hexdigest() == stored[number]
