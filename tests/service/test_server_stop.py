"""Stopping a real server: admitted requests are finished, new connections are refused."""

import io
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.service.support.app import metrics, small_backbone, task_file, upload
from tests.service.support.processes import small_server


def slow_image() -> bytes:
    """An image of few bytes that takes many milliseconds to decode."""
    buffer = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("http_workers", [0, 2])
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_admitted_requests_finish(
    tmp_path: Path, http_workers: int, sig: signal.Signals
) -> None:
    parts = [("file", ("slow.png", slow_image()))] * 10
    with (
        small_server(tmp_path, http_workers=http_workers) as server,
        server.client() as client,
        ThreadPoolExecutor() as pool,
    ):
        upload(client, task_file(small_backbone(), "pets"))
        asking = pool.submit(
            httpx.post, f"{server.url}/v1/tasks/pets/predict", files=parts, timeout=60
        )
        while metrics(client)["facet_admitted_rows"] == 0:
            assert not asking.done()
            time.sleep(0.01)
        server.process.send_signal(sig)
        time.sleep(0.3)
        assert not asking.done(), "the machine is too fast for this test: use larger images"
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/readyz")
        response = asking.result()
        assert response.status_code == 200
        assert len(response.json()["results"]) == len(parts)
        assert server.process.wait(30) == 0
