"""Logs of every epoch."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.logs import JSONLines, Log, TensorBoard

RECORDS = [
    {"epoch": epoch, "loss": 1 / epoch, "validation_accuracy": 0.1 * epoch} for epoch in range(1, 6)
]


def _write(log: Log, resumed: int, until: int) -> None:
    log.begin(RECORDS[:resumed])
    for record in RECORDS[resumed:until]:
        log.add(record)
    log.close()


def test_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    _write(JSONLines(path), 0, 4)
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS[:4]
    _write(JSONLines(path), 2, 5)  # epochs 3 and 4 were trained but not saved
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS


def test_events_for_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _write(TensorBoard(tmp_path), 0, 4)
    _write(TensorBoard(tmp_path), 2, 5)
    (tmp_path / "notes").touch()
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "validation_accuracy"}
    for name in ("loss", "validation_accuracy"):
        curve = [(event.step, event.value) for event in events.Scalars(name)]
        assert curve == [(record["epoch"], pytest.approx(record[name])) for record in RECORDS]


def test_without_tensorboard(tmp_path: Path) -> None:
    with _hidden("tensorboard", "torch.utils.tensorboard"), pytest.raises(TrainingError) as error:
        TensorBoard(tmp_path)
    assert str(error.value) == (
        "tensorboard: expected the package tensorboard, found none; "
        "install the extra facet-vision[tensorboard]"
    )


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Make these packages appear as not installed."""
    loaded = {
        name: module
        for name, module in sys.modules.items()
        if any(name == each or name.startswith(f"{each}.") for each in names)
    }
    for name in loaded:
        del sys.modules[name]
    sys.modules[names[0]] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[names[0]]
        sys.modules.update(loaded)
