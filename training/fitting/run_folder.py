"""Folder of one run, from which a killed training resumes.

A resumed training ends exactly as it would have without the kill.

state.pt      the state of the fitting, written at the end of epochs (see `fitting`)
log.jsonl     a line for each epoch
tensorboard/  the same as events, if requested
lock          held while a process trains
trials.jsonl  the finished trials of a search
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.identity import Scalar, difference
from facet_vision.training.locking import locked

from .logs import JSONLines, Log, TensorBoard
from .state import FittingState
from .state_file import load_state, save_state

FORMAT = 1
SAVE_SECONDS = 5.0
SAVE_SHARE = 10
"""Saving takes at most one part in this many of the time."""


def silent(_sentence: str) -> None:
    """Ignore a sentence."""


@dataclass(frozen=True)
class RunFolder:
    """Where a training is saved, and how.

    Attributes:
        folder: created if it is missing.
        tensorboard: write events too.
        save_seconds: least time from one save to the next; the last epoch is always saved.
        report: called with a sentence when a training is resumed.
        clock: seconds.
    """

    folder: Path
    tensorboard: bool = False
    save_seconds: float = SAVE_SECONDS
    report: Callable[[str], None] = silent
    clock: Callable[[], float] = time.monotonic

    @contextmanager
    def checkpointer(self, identity: Mapping[str, Scalar]) -> Iterator[RunCheckpointer]:
        """Lock the folder while the block runs and yield its checkpointer.

        Args:
            identity: facts that decide the result; see `identity.identity`.

        Raises:
            TrainingError: the folder cannot be used, is in use, or holds another training or a
                damaged one.
        """
        with ExitStack() as stack:
            # locked before anything is read or written, so that no two processes share the folder
            stack.enter_context(locked(self.folder, "run"))
            state = self._state(identity)
            logs: list[Log] = [stack.enter_context(closing(log)) for log in self._logs()]
            yield RunCheckpointer(self, dict(identity), state, logs)

    @property
    def path(self) -> Path:
        """The file of the state."""
        return self.folder / "state.pt"

    def beside(self, name: str) -> Path:
        """Create the folder if it is missing and return the path of another file in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def _state(self, identity: Mapping[str, Scalar]) -> dict[str, Any] | None:
        """Load the state that an earlier process saved of the same training, None without one."""
        if not self.path.exists():
            return None
        state = load_state(self.path)
        if state.get("format") != FORMAT:
            found = state.get("format")
            raise TrainingError(
                f"{self.path}: expected a training in format {FORMAT}, found {found!r}"
            )
        name = difference(identity, state["identity"])
        if name is not None:
            expected = _shown(identity.get(name))
            found = _shown(state["identity"].get(name))
            raise TrainingError(
                f"run: expected a training with {name} {expected} in {self.folder}, "
                f"found one with {found}; another training needs another folder"
            )
        return state

    def _logs(self) -> list[Log]:
        logs: list[Log] = [JSONLines(self.folder / "log.jsonl")]
        if self.tensorboard:
            logs.append(TensorBoard(self.folder / "tensorboard"))
        return logs


class RunCheckpointer:
    """Saves one fitting in its folder; a `loop.Checkpointer`."""

    def __init__(
        self,
        run: RunFolder,
        identity: dict[str, Scalar],
        state: dict[str, Any] | None,
        logs: list[Log],
    ) -> None:
        self.run = run
        self.identity = identity
        self.logs = logs
        self._state = state
        self._due = run.clock()  # when the next save is allowed

    def resume(self, fitting: FittingState) -> None:
        if self._state is not None:
            fitting.load(self._state["fitting"])
            self._state = None  # frees its memory
            self.run.report(_resumed(fitting, self.run.folder))
        for log in self.logs:
            log.begin(fitting.records)

    def on_epoch_end(self, fitting: FittingState) -> None:
        for log in self.logs:
            log.add(fitting.records[-1])
        if fitting.finished or self.run.clock() >= self._due:
            self._save(fitting)

    def _save(self, fitting: FittingState) -> None:
        start = self.run.clock()
        state = {"format": FORMAT, "identity": self.identity, "fitting": fitting.state()}
        save_state(self.run.path, state)
        end = self.run.clock()
        self._due = end + max(self.run.save_seconds, (SAVE_SHARE - 1) * (end - start))


def _resumed(fitting: FittingState, folder: Path) -> str:
    if fitting.finished:
        return (
            f"run {folder}: finished before, after epoch {fitting.epoch}; nothing is trained anew"
        )
    return f"run {folder}: continued after epoch {fitting.epoch} of {fitting.recipe.epochs}"


def _shown(value: Scalar) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:12]}…"
