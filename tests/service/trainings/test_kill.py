"""kill -9 at random moments of uploads: an image that was acknowledged is there."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.service.support.processes import Nursery
from tests.service.support.trainings import picture


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def send_until_killed(url: str, id: str, known: dict[str, bytes], alarm: threading.Event) -> None:
    with httpx.Client(base_url=url, timeout=20) as client:
        try:
            for count in range(400):
                image = picture("red", len(known))
                given = {"files": {"file": ("a.png", image)}, "data": {"label": f"l{count % 3}"}}
                answer = client.post(f"/v1/trainings/{id}/images", **given)
                assert answer.status_code == 200, answer.text
                known[answer.json()["images"][0]["id"]] = image
                alarm.set()
        except httpx.TransportError:
            return


def test_kills(nursery: Nursery, tmp_path: Path) -> None:
    moments, known = random.Random(0), dict[str, bytes]()
    url = nursery.start(tmp_path)
    id = httpx.post(f"{url}/v1/trainings", json={"task": "t"}).json()["id"]
    for _ in range(4):
        alarm = threading.Event()
        with ThreadPoolExecutor() as pool:
            sending = pool.submit(send_until_killed, url, id, known, alarm)
            assert alarm.wait(60)
            time.sleep(moments.uniform(0.0, 0.1))
            nursery.kill()
            sending.result()
        url = nursery.start(tmp_path)
        with httpx.Client(base_url=url, timeout=20) as client:
            shown = client.get(f"/v1/trainings/{id}/images").json()["images"]
            there = {each["id"] for each in shown}
            assert known.keys() <= there
            assert len(there) <= len(known) + 1  # the one whose answer was lost
            for each in moments.sample(sorted(known), min(5, len(known))):
                assert client.get(f"/v1/trainings/{id}/images/{each}").content == known[each]
            # what was sent and not acknowledged is sent again under its own number
            known.update(dict.fromkeys(there - known.keys(), picture("red", len(known))))
