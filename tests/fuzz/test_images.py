"""Whatever is sent as an image is answered or refused, and leaves nothing behind."""

import ctypes
import gc
import resource
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from facet_vision.prompts_store import open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.fuzz.images import mutated, whole
from tests.service.support.app import ask, small_backbone, task_file, upload

# Elsewhere in the tests a warning is an error, which would hide what follows it in a real server.
pytestmark = pytest.mark.filterwarnings("ignore")

SHORT, LONG, WARM_UP = 300, 20_000, 2_000
MAY_FAIL = {503, 504}
"""Statuses of a server under load; any other from 500 on is a fault."""


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    backbone = small_backbone()
    app = create_app(Settings(), store=open_store("memory:"), backbone=backbone)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        assert upload(client, task_file(backbone, "pets")).status_code == 201
        yield client


def send(client: TestClient, seeds: Iterable[int]) -> Counter[int]:
    """Send damaged images; returns how many were answered by each status."""
    statuses: Counter[int] = Counter()
    for seed in seeds:
        response = ask(client, "pets", mutated(seed) or b"\0")
        statuses[response.status_code] += 1
        told = f"seed {seed}: {response.status_code} {response.text}"
        assert response.status_code < 500 or response.status_code in MAY_FAIL, told
        assert response.status_code == 200 or "\n" not in response.json()["detail"], told
    return statuses


def resident_bytes() -> int:
    """Memory in use: what glibc keeps of the largest images for the next ones is given back."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_undamaged_images_are_answered(client: TestClient) -> None:
    for image in whole():
        response = ask(client, "pets", image)
        assert response.status_code == 200, response.text


def test_damaged_images_are_answered_or_refused(client: TestClient) -> None:
    statuses = send(client, range(SHORT))
    assert set(statuses) <= {200, 422, *MAY_FAIL}
    assert min(statuses[200], statuses[422]) > SHORT / 10


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_damaged_images_leave_no_memory_behind(client: TestClient) -> None:
    send(client, range(WARM_UP))
    before = resident_bytes()
    statuses = send(client, range(WARM_UP, WARM_UP + LONG))
    after = resident_bytes()
    print(dict(statuses), f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")
    assert after < 1.03 * before


def test_the_same_seed_gives_the_same_image() -> None:
    assert [mutated(seed) for seed in range(20)] == [mutated(seed) for seed in range(20)]
    assert len({mutated(seed) for seed in range(200)}) > 190
