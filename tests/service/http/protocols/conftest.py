"""A live server with two tasks: in this process, and one with an HTTP worker."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
import uvicorn

from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.service.support.app import DEPTH, small_backbone, task_file, upload
from tests.service.support.processes import small_server

SMALL = small_backbone()
LIMITS = {"max_images": 4, "max_image_bytes": 100_000}


def pets() -> TaskFile:
    """A task with prompts, whose answer depends on the image."""
    return task_file(SMALL, "pets", layers=DEPTH, labels=["cat", "dog", "eel"], seed=2)


@dataclass(frozen=True)
class Live:
    """A server at an address."""

    url: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)


@contextmanager
def in_this_process() -> Iterator[str]:
    app = create_app(Settings(**LIMITS), store=open_store("memory:"), backbone=SMALL)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def with_tasks(live: Live) -> Live:
    with live.client() as client:
        assert upload(client, pets()).status_code == 201
        assert upload(client, task_file(SMALL, "gone")).status_code == 201
        assert client.delete("/v1/tasks/gone").status_code == 204
    return live


@pytest.fixture(scope="session")
def alone() -> Iterator[Live]:
    with in_this_process() as url:
        yield with_tasks(Live(url))


@pytest.fixture(scope="session")
def with_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with small_server(tmp_path_factory.mktemp("store"), http_workers=1, **LIMITS) as server:
        yield with_tasks(Live(server.url))


@pytest.fixture(scope="session", params=["alone", "with_worker"])
def server(request: pytest.FixtureRequest) -> Live:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Live)
    return found
