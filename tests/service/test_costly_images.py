"""While legal images of 64 megapixels are decoded, a small one is answered in less than a second
more than alone."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.service.support.app import ask, png
from tests.service.support.pets import pets_server
from tests.service.support.processes import Server

SIDE = 8000
CLIENTS = 6
SECONDS = 2.0


@pytest.fixture(scope="module")
def costly() -> list[bytes]:
    image = Image.new("RGB", (SIDE, SIDE), (200, 90, 30))
    return [encoded(image, "PNG", compress_level=1), encoded(image, "JPEG", progressive=True)]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@contextmanager
def sending(server: Server, images: list[bytes]) -> Iterator[list[int]]:
    """Clients that send these images, one after the other; the statuses of their answers."""
    statuses: list[int] = []
    stopped = threading.Event()

    def send(first: int) -> None:
        with server.client() as client:
            while not stopped.is_set():
                for index in range(len(images)):
                    try:
                        answer = ask(client, "pets", images[(first + index) % len(images)])
                    except httpx.TransportError:  # the server is stopped
                        return
                    statuses.append(answer.status_code)

    threads = [
        threading.Thread(target=send, args=(index,), daemon=True) for index in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stopped.set()


def slowest(client: httpx.Client, seconds: float) -> float:
    """The longest time that a small image took."""
    longest, end = 0.0, monotonic() + seconds
    while monotonic() < end:
        begun = perf_counter()
        assert ask(client, "pets", png()).status_code == 200
        longest = max(longest, perf_counter() - begun)
        sleep(0.01)
    return longest


@pytest.mark.parametrize("http_workers", [0, 2], ids=["one process", "HTTP workers"])
def test_a_small_image_is_answered_beside_any_number_of_giants(
    http_workers: int, costly: list[bytes], tmp_path: Path
) -> None:
    with pets_server(tmp_path, http_workers, decode_threads=2) as server, server.client() as client:
        alone = slowest(client, 0.3)
        with sending(server, costly) as statuses:
            sleep(0.5)
            beside = slowest(client, SECONDS)
        print(f"{alone:.3f} s alone, {beside:.3f} s beside {len(statuses)} answered giants")
        assert set(statuses) <= {200, 503, 504}
        assert beside < alone + 1.0
