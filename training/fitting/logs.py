"""Log of a fitting: JSON lines, and events for TensorBoard.

Both hold one record for each epoch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from facet_vision.prompts_store import durable
from facet_vision.training.errors import TrainingError

from .validation import Record


class Log(Protocol):
    """Receives the records of a fitting, epoch by epoch."""

    def begin(self, records: list[Record]) -> None:
        """Hold exactly these epochs, the saved ones of a resumed fitting; remove any others."""
        ...

    def add(self, record: Record) -> None:
        """Append the record of an epoch."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


class JSONLines:
    """One JSON object in a line for each epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, records: list[Record]) -> None:
        durable.replace(self.path, b"".join(map(_line, records)))

    def add(self, record: Record) -> None:
        with self.path.open("ab") as file:
            file.write(_line(record))

    def close(self) -> None: ...


class TensorBoard:
    """One curve over epochs for each name in the records."""

    def __init__(self, folder: Path) -> None:
        """Find TensorBoard; nothing is written yet.

        Raises:
            TrainingError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError(
                "tensorboard: expected the package tensorboard, found none; "
                "install the extra facet-vision[tensorboard]"
            ) from error
        self.folder = folder
        self._writer = SummaryWriter
        self._events: SummaryWriter | None = None

    def begin(self, records: list[Record]) -> None:
        for old in self.folder.glob("events.out.tfevents.*"):
            old.unlink()
        # purge_step: a running TensorBoard drops what it has read from the deleted files
        self._events = self._writer(str(self.folder), purge_step=1)
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        assert self._events is not None
        for name, value in record.items():
            if name != "epoch":
                self._events.add_scalar(name, value, int(record["epoch"]))
        self._events.flush()

    def close(self) -> None:
        if self._events is not None:
            self._events.close()


def _line(record: Record) -> bytes:
    return json.dumps(record).encode() + b"\n"
