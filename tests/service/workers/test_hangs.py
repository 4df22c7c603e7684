"""Processes and threads that hang are noticed: a worker is replaced, without an engine it ends."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from facet_vision.service.workers.pulses import Pulses
from tests.service.support.app import small_backbone, task_file, upload
from tests.service.support.processes import small_server

from .test_http_workers import answers, eventually, parts


def test_a_worker_that_hangs_is_replaced_within_seconds(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        small_server(tmp_path / "store", http_workers=2, hang_seconds=2, log=log) as server,
        server.client() as client,
    ):
        assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
        _, (first, second) = parts(server)
        os.kill(first, signal.SIGSTOP)
        begin = time.monotonic()
        eventually(lambda: first not in parts(server)[1] and len(parts(server)[1]) == 2)
        assert 1 < time.monotonic() - begin < 8
        eventually(lambda: answers(server) == {200})
        assert second in parts(server)[1]
        assert server.stop() == 0
    assert "HTTP worker 0 gives no sign of life" in log.read_text()


def test_the_server_ends_when_the_engines_process_hangs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = {"http_workers": 1, "engine_hang_seconds": 2, "log": log}
    with small_server(tmp_path / "store", **options) as server:
        os.kill(parts(server)[0], signal.SIGSTOP)
        assert server.process.wait(15) == 1
    assert "expected a sign of life from its process" in log.read_text()


@pytest.mark.parametrize("http_workers", [0, 1])
def test_the_server_ends_when_a_forward_hangs(tmp_path: Path, http_workers: int) -> None:
    log = tmp_path / "log"
    hanging = {"forward_seconds": 60, "engine_hang_seconds": 6, "max_batch": 1}
    with (
        small_server(tmp_path / "store", http_workers=http_workers, log=log, **hanging) as server,
        server.client() as client,
    ):
        assert client.get("/readyz").status_code == 200
        uploading = threading.Thread(target=upload_pets, args=(client,))
        uploading.start()  # which tries the engine
        with server.client() as probing:
            eventually(lambda: probing.get("/readyz").status_code == 503)
            assert "a forward has run for" in probing.get("/readyz").json()["status"]
            assert probing.get("/livez").status_code == 200
        assert server.process.wait(20) == 1
        uploading.join()
    assert "expected a batch within 6 seconds" in log.read_text()


def upload_pets(client: httpx.Client) -> None:
    with suppress(httpx.TransportError):
        upload(client, task_file(small_backbone(), "pets"))


def test_a_process_that_starts_is_given_time() -> None:
    pulses = Pulses(3)
    pulses.grant(1, 60)
    assert pulses.age(1) < -59
    assert 0 <= pulses.age(0) < 1
    assert 0 <= pulses.age(-1) < 1
    pulses.renew()
    assert 0 <= pulses.age(1) < 1
