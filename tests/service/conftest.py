"""Fixtures of the service's tests."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.service.support.app import small_backbone
from tests.service.support.residency import WatchedObjects


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def small() -> Backbone:
    return small_backbone()


@pytest.fixture
def serve(small: Backbone) -> Iterator[Callable[..., TestClient]]:
    """Starts applications, each with a client.

    Takes settings by name, and optionally a store, a clock, a backbone or tracing.
    """
    with ExitStack() as stack:

        def start(**given: Any) -> TestClient:
            parts = {"store": open_store("memory:"), "backbone": small}
            for name in ("store", "clock", "backbone", "tracing"):
                if name in given:
                    parts[name] = given.pop(name)
            app = create_app(Settings(**given), **parts)
            return stack.enter_context(
                TestClient(app, "http://localhost", raise_server_exceptions=False)
            )

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    return serve()


@pytest.fixture
def app(small: Backbone) -> FastAPI:
    return create_app(Settings(), store=open_store("memory:"), backbone=small)


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    """Address of `app` on a real port, served by a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def objects() -> WatchedObjects:
    return WatchedObjects()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool
