"""State of a fitting on disk, written atomically.

Whenever the process is killed, the file is whole or as it was before.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from facet_vision.prompts_store import durable
from facet_vision.training.errors import TrainingError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values atomically and durably, without a copy of them in memory."""
    # a fixed name: the next save overwrites what a kill has left half written
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    durable.sync_folder(path.parent, os.fsync)


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote, with all tensors on the CPU.

    Raises:
        TrainingError: the file is damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch writes checksums but does not verify them
        if damaged is not None:
            raise ValueError(f"its part {damaged} is damaged")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise whatever their format's reader raises
        reason = str(error).strip().partition("\n")[0]
        raise TrainingError(
            f"{path}: expected the state of a training, found a fault ({reason}); "
            "delete it to begin anew"
        ) from error
    return state
