"""File of a fitting's state."""

from pathlib import Path

import pytest
import torch

from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.state_file import load_state, save_state

STATE = {
    "epoch": 3,
    "name": "x",
    "weights": {"a": torch.arange(1000.0), "count": torch.tensor(7)},
    "best": None,
}


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"epoch": 1})
    save_state(path, STATE)
    found = load_state(path)
    assert (found["epoch"], found["name"], found["best"]) == (3, "x", None)
    assert torch.equal(found["weights"]["a"], STATE["weights"]["a"])
    assert found["weights"]["count"].dtype == torch.int64
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_a_half_written_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"epoch": 1})
    path.with_suffix(".partial").write_bytes(path.read_bytes()[:100])
    assert load_state(path) == {"epoch": 1}
    save_state(path, {"epoch": 2})
    assert load_state(path) == {"epoch": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_damage_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, STATE)
    whole = path.read_bytes()
    at = whole.index(torch.arange(500.0, 510.0).numpy().tobytes())
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for damaged in (b"", b"no state", whole[: len(whole) // 2], flipped):
        path.write_bytes(damaged)
        with pytest.raises(
            TrainingError,
            match=r"state\.pt: expected the state of a training, found a fault \(.*\); ",
        ):
            load_state(path)
