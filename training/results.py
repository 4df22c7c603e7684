"""Measured results, one JSON line for each finished cell of a study.

A study that was stopped resumes from this file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import TrainingError


class Results:
    """Finished cells in a file, each line {"setting": ..., "outcome": ...}.

    A line is appended as soon as its cell is finished.
    """

    def __init__(self, path: Path) -> None:
        """Read an existing file; a last line that a kill cut short does not count.

        Raises:
            TrainingError: the file is something else.
        """
        self.path = path
        self._found: dict[str, dict[str, Any]] = {}
        self._whole_bytes: int | None = None
        if path.exists():
            self._read(self._whole_lines())

    def __len__(self) -> int:
        return len(self._found)

    def settings(self) -> Iterator[dict[str, Any]]:
        """Yield the settings of the finished cells."""
        return map(json.loads, self._found)

    def find(self, setting: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the outcome of a cell that is finished, else None."""
        return self._found.get(_key(setting))

    def add(self, setting: Mapping[str, Any], outcome: dict[str, Any]) -> None:
        """Record a finished cell; it is on disk when this returns."""
        if self._whole_bytes is not None:
            # only now: another process may be adding while this one just reads
            os.truncate(self.path, self._whole_bytes)
            self._whole_bytes = None
        line = json.dumps({"setting": setting, "outcome": outcome})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._found[_key(setting)] = outcome

    def _whole_lines(self) -> list[str]:
        """Return the lines that end in a line feed."""
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._whole_bytes = len(whole)
        return whole.decode("utf-8", errors="replace").splitlines()

    def _read(self, lines: list[str]) -> None:
        for number, line in enumerate(lines, start=1):
            try:
                cell = json.loads(line)
                self._found[_key(cell["setting"])] = cell["outcome"]
            except (ValueError, TypeError, KeyError) as error:
                found = f"{line[:40]!r} in line {number}"
                raise TrainingError(
                    f"{self.path}: expected finished cells as JSON lines, found {found}"
                ) from error


def _key(setting: Mapping[str, Any]) -> str:
    return json.dumps(setting, sort_keys=True)
