"""The three kinds of place a store may be at; every contract test runs over all of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from facet_vision.prompts_store import Store
from facet_vision.prompts_store.storage.bucket import Bucket
from facet_vision.prompts_store.storage.objects import Objects, open_objects
from tests.prompts_store.s3 import s3_server

OpenLocation = Callable[[], Objects]


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, Any]]:
    """Options for a bucket named 'bucket' on a server that speaks S3."""
    with s3_server() as options:
        yield options


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
