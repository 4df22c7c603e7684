"""Fixtures of the client's tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.support.clients import Make, Waits, clients


@pytest.fixture(params=["sync", "async"])
def make(request: Any) -> Iterator[Make]:
    """Makes clients: of a test's two runs, one has those of asyncio."""
    with clients(request.param == "async") as make:
        yield make


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """What clients wanted to wait, which they do not do."""
    return Waits(monkeypatch)
