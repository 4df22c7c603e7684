"""Threads of a forward: only the engine's thread computes with several."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fastapi import FastAPI
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from facet_vision.service.engine import threads
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _threads(application: FastAPI, client: TestClient) -> tuple[int, int]:
    """Return the threads that the engine's thread computes with, and those of a new thread."""
    assert client.portal is not None
    with ThreadPoolExecutor(1) as another:
        return client.portal.call(
            application.state.components.batcher.call, torch.get_num_threads
        ), another.submit(torch.get_num_threads).result()


@pytest.mark.parametrize(("asked", "expected"), [(3, (3, 1)), (1, (1, 1))])
def test_the_engine_gets_the_threads_of_the_settings_and_other_threads_one(
    small: Backbone, asked: int, expected: tuple[int, int]
) -> None:
    application = create_app(
        Settings(engine_threads=asked), store=open_store("memory:"), backbone=small
    )
    with TestClient(application, "http://localhost") as client:
        assert _threads(application, client) == expected


def test_an_application_in_a_foreign_process_changes_nothing(small: Backbone) -> None:
    torch.set_num_threads(2)
    application = create_app(Settings(), store=open_store("memory:"), backbone=small)
    with TestClient(application, "http://localhost") as client:
        assert _threads(application, client) == (2, 2)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({1: 1.0, 2: 0.9, 4: 0.85, 6: 0.85}, 1),
        ({1: 0.0050, 2: 0.0030, 4: 0.0025, 6: 0.0025}, 1),
        ({1: 1.0, 2: 0.5, 4: 0.3, 6: 0.28}, 4),
        ({1: 1.0, 2: 0.5, 4: 0.3, 6: 0.2}, 6),
    ],
)
def test_fewest_threads_that_are_nearly_as_fast(
    small: Backbone, times: dict[int, float], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_seconds", lambda _, count: times[count])
    assert threads.engine_threads(small, 6) == expected


def test_the_measurement_leaves_this_thread_as_it_is(small: Backbone) -> None:
    before = torch.get_num_threads()
    assert threads.engine_threads(small, 2) in (1, 2)
    assert threads.engine_threads(small, 1) == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("most", "count", "expected"), [(1, 1, 1), (2, 1, 2), (2, 2, 1), (16, 4, 4), (64, 1, 4)]
)
def test_as_many_workers_as_fit_on_the_cores(
    small: Backbone, most: int, count: int, expected: int
) -> None:
    assert threads.engine_workers(small, most, count, http_workers=2) == expected
    assert threads.engine_workers(small, most, count, http_workers=0) == 1
