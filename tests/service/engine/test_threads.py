"""Only the engine's thread computes with several threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fastapi import FastAPI
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from facet_vision.service.engine import threads as cores
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _threads(application: FastAPI, client: TestClient) -> tuple[int, int]:
    """Of the engine's thread, and of one that begins now."""
    assert client.portal is not None
    with ThreadPoolExecutor(1) as another:
        return client.portal.call(
            application.state.components.batcher.call, torch.get_num_threads
        ), another.submit(torch.get_num_threads).result()


@pytest.mark.parametrize(("asked", "expected"), [(3, (3, 1)), (1, (1, 1))])
def test_the_engine_gets_what_is_asked_for_and_others_one(
    small: Backbone, asked: int, expected: tuple[int, int]
) -> None:
    application = create_app(
        Settings(engine_threads=asked), store=open_store("memory:"), backbone=small
    )
    with TestClient(application) as client:
        assert _threads(application, client) == expected


def test_an_application_in_somebody_elses_process_changes_nothing(small: Backbone) -> None:
    torch.set_num_threads(2)
    application = create_app(Settings(), store=open_store("memory:"), backbone=small)
    with TestClient(application) as client:
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
    monkeypatch.setattr(cores, "_seconds", lambda _, threads: times[threads])
    assert cores.engine_threads(small, 6) == expected


def test_the_measurement_leaves_this_thread_as_it_is(small: Backbone) -> None:
    before = torch.get_num_threads()
    assert cores.engine_threads(small, 2) in (1, 2)
    assert cores.engine_threads(small, 1) == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("most", "threads", "expected"), [(1, 1, 1), (2, 1, 2), (2, 2, 1), (16, 4, 4), (64, 1, 4)]
)
def test_as_many_workers_as_the_cores_have_room_for(
    small: Backbone, most: int, threads: int, expected: int
) -> None:
    assert cores.engine_workers(small, most, threads, http_workers=2) == expected
    assert cores.engine_workers(small, most, threads, http_workers=0) == 1
