"""Measured results, one JSON line for each finished cell of a study.

A study that was stopped resumes from this file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import TrainingError


class Results:
    """Finished cells in a file, each line {"setting": ..., "outcome": ...}.

    A line is appended as soon as its cell is finished.
    """

    def __init__(self, path: Path) -> None:
        """Read an existing file; a last line that a kill cut short is removed.

        Raises:
            TrainingError: the file is something else.
        """
        self.path = path
        self._found: dict[str, dict[str, float]] = {}
        if path.exists():
            self._read(_whole_lines(path))

    def find(self, setting: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the outcome of a cell that is finished, else None."""
        return self._found.get(_key(setting))

    def add(self, setting: Mapping[str, Any], outcome: dict[str, float]) -> None:
        """Record a finished cell; it is on disk when this returns."""
        line = json.dumps({"setting": setting, "outcome": outcome})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._found[_key(setting)] = outcome

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


def _whole_lines(path: Path) -> list[str]:
    """Return the lines that end in a line feed, and cut the file behind them."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    return whole.decode("utf-8", errors="replace").splitlines()


def _key(setting: Mapping[str, Any]) -> str:
    return json.dumps(setting, sort_keys=True)
