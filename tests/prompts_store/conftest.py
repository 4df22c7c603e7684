"""The three kinds of place a store may be at; every contract test runs over all of them."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from obstore.store import MemoryStore
from werkzeug.serving import make_server

from facet_vision.prompts_store import Store
from facet_vision.prompts_store.storage.bucket import Bucket
from facet_vision.prompts_store.storage.objects import Objects, open_objects

OpenLocation = Callable[[], Objects]


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, Any]]:
    """Options for a bucket named 'bucket' on a server that speaks S3."""
    # One request at a time: moto looks whether an object exists and then writes it, without a
    # lock between, so threaded it would break its own If-None-Match promise, which S3 keeps.
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.port}"
    httpx.put(f"{endpoint}/bucket").raise_for_status()
    keys = {"access_key_id": "facet", "secret_access_key": "facet", "region": "us-east-1"}
    yield {"endpoint": endpoint, "client_options": {"allow_http": True}, **keys}
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["local", "memory", "s3"])
def open_location(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLocation:
    """A function that opens one and the same empty location at every call."""
    if request.param == "memory":
        shared = MemoryStore()
        return lambda: Bucket(shared)
    if request.param == "local":
        return lambda: open_objects(tmp_path / "new" / "store")
    options = request.getfixturevalue("s3")
    return lambda: open_objects(f"s3://bucket/{tmp_path.name}/{id(tmp_path)}", **options)


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """One second later at every call."""
    ticks = count(1)
    return lambda: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks))


@pytest.fixture
def store(open_location: OpenLocation, clock: Callable[[], datetime]) -> Store:
    """A store at the location that `open_location` opens."""
    return Store(open_location(), clock=clock)
