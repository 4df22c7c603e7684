"""A stand-in for `facet train` in the applications of these tests."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from facet_vision.service.trainings import trainings
from tests.service.support.trainings import Fake


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path)
    monkeypatch.setattr(trainings, "train_command", lambda _settings: made)
    return made


@pytest.fixture
def serve(serve: Callable[..., TestClient]) -> Callable[..., TestClient]:
    """As for all routes, but trainings get their share where all cores have work."""
    return partial(serve, training_priority="normal")
