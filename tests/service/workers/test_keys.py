"""Keys in a server of several processes, which listens on a Unix socket."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.support.app import PNG, TASK_FILE, png, small_backbone, task_file
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server

SHARED = 30
"""Images at once after a pause that the key "limited" allows."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    keys = Keys(folder / "keys.json")
    keys.add("root")
    keys.add("leaving")
    keys.add("limited", "infer", images_per_second=0.1, burst=SHARED)
    return keys


@pytest.fixture(scope="module")
def address(folder: Path, keys: Keys) -> Iterator[Path]:
    given = {"keys_file": keys.path, "log": folder / "log", "log_level": "debug"}
    path = folder / "facet.sock"
    with small_server(folder / "store", http_workers=2, unix_socket=path, **given) as server:
        with client(path, keys, "root") as root:
            sent = {"content": task_file(small_backbone(), "pets").to_bytes(), "headers": TASK_FILE}
            assert root.post("/v1/tasks/pets/versions", **sent).status_code == 201
        yield path
        assert server.stop() == 0
        assert server.process.stdout is not None
        told = server.process.stdout.read() + (folder / "log").read_text()
    assert "/v1/tasks/{task}/predict" in told
    for text in keys.texts.values():
        assert text.split("_", 2)[2] not in told


def client(path: Path, keys: Keys, name: str | None) -> httpx.Client:
    headers = keys.shown(name) if name else {}
    transport = httpx.HTTPTransport(uds=str(path))
    return httpx.Client(
        base_url="http://localhost", transport=transport, headers=headers, timeout=30
    )


def predict(of: httpx.Client) -> httpx.Response:
    return of.post("/v1/tasks/pets/predict", content=png(), headers=PNG)


def test_every_process_asks_for_a_key(address: Path, keys: Keys) -> None:
    with client(address, keys, None) as stranger, client(address, keys, "root") as root:
        for path in ("/v1/tasks", "/metrics", "/openapi.json", "/nowhere"):
            assert stranger.get(path).status_code == 401, path
        assert predict(stranger).status_code == 401
        assert stranger.get("/livez").status_code == 200
        assert predict(root).status_code == 200
        assert root.get("/v1/tasks").status_code == 200


def test_a_limit_holds_over_all_http_workers_together(address: Path, keys: Keys) -> None:
    codes = []
    for _ in range(SHARED + 10):  # a new connection each, so that both workers get some
        with client(address, keys, "limited") as limited:
            codes.append(predict(limited).status_code)
    assert codes.count(200) in (SHARED, SHARED + 1, SHARED + 2)  # a tenth more every second
    assert set(codes) == {200, 429}
    with client(address, keys, "limited") as limited:
        answer = predict(limited)
        assert answer.headers["ratelimit-policy"] == f'"images-per-second";q={SHARED};w=300'


def test_a_revoked_key_is_refused_within_seconds(address: Path, keys: Keys) -> None:
    with client(address, keys, "leaving") as leaving:
        assert leaving.get("/v1/tasks").status_code == predict(leaving).status_code == 200
        keys.revoke("leaving")
        time.sleep(1.1)
        assert leaving.get("/v1/tasks").status_code == predict(leaving).status_code == 401


def test_each_change_has_one_line(address: Path, keys: Keys, folder: Path) -> None:
    with client(address, keys, None) as stranger, client(address, keys, "root") as root:
        assert stranger.delete("/v1/tasks/pets").status_code == 401
        assert root.delete("/v1/tasks/none").status_code == 404
        assert predict(root).status_code == 200
    lines = [line for line in (folder / "log").read_text().splitlines() if line.startswith("{")]
    found = [json.loads(line) for line in lines]
    changes = [(line["what"], line.get("by"), line["outcome"], line["from"]) for line in found]
    assert changes == [
        ("POST /v1/tasks/pets/versions", "root", "done", "unix socket"),
        ("DELETE /v1/tasks/pets", None, "refused", "unix socket"),
        ("DELETE /v1/tasks/none", "root", "refused", "unix socket"),
    ]


def test_the_socket_is_removed_and_an_abandoned_one_replaced(tmp_path: Path) -> None:
    path = tmp_path / "facet.sock"
    with small_server(tmp_path / "store", unix_socket=path) as server:
        assert path.stat().st_mode & 0o777 == 0o600
        server.process.kill()
        server.process.wait()
    assert path.exists()
    with small_server(tmp_path / "store", unix_socket=path) as server:
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(base_url="http://localhost", transport=transport) as asking:
            assert asking.get("/v1/tasks").status_code == 200
        assert server.stop() == 0
    assert not path.exists()
