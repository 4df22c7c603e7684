"""The log of a fitting, a record for each epoch: as JSON lines, and as events for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from facet_vision.prompts_store import durable
from facet_vision.training.errors import TrainingError

from .validation import Record


class Log(Protocol):
    """Told about a fitting as it goes."""

    def begin(self, records: list[Record]) -> None:
        """Hold these epochs alone, those of a fitting that is taken up; what else was written is taken away."""
        ...

    def add(self, record: Record) -> None: ...

    def close(self) -> None: ...


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
    """A curve for each name in the records, over epochs."""

    def __init__(self, folder: Path) -> None:
        """Raises TrainingError where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            expected = "expected the package tensorboard, found none; install the extra facet-vision[tensorboard]"
            raise TrainingError(f"tensorboard: {expected}") from error
        self.folder, self._writer = folder, SummaryWriter
        self._events: SummaryWriter | None = None

    def begin(self, records: list[Record]) -> None:
        for left in self.folder.glob("events.out.tfevents.*"):
            left.unlink()
        # a TensorBoard that is watching forgets what it read from them
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
