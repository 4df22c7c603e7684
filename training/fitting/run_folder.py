"""A folder that keeps a fitting, so that a training which was killed goes on where it was and ends as it would have.

state.pt      how far it has come, written at the end of epochs (see `fitting`)
log.jsonl     a line for each epoch
tensorboard/  the same as events, if asked for
lock          held while a process trains
trials.jsonl  the finished trials of a search
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facet_vision.prompts_store import durable
from facet_vision.training.errors import TrainingError
from facet_vision.training.identity import Scalar, difference

from .logs import JSONLines, Log, TensorBoard
from .state import Fitting
from .state_file import load_state, save_state

FORMAT = 1
SAVE_SECONDS = 5.0
SHARE = 10
"""Saving takes at most one part in so many of the time."""


def silent(_sentence: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class RunFolder:
    """Where a training is kept, and how.

    Attributes:
        folder: created if need be.
        tensorboard: write events too.
        every: seconds from one save to the next, at least; the last epoch is always saved.
        report: gets a sentence when a training is taken up.
    """

    folder: Path
    tensorboard: bool = False
    every: float = SAVE_SECONDS
    report: Callable[[str], None] = silent
    clock: Callable[[], float] = time.monotonic

    @contextmanager
    def opened(self, identity: Mapping[str, Scalar]) -> Iterator[KeptRun]:
        """What keeps a fitting in the folder while the block runs.

        Args:
            identity: what decides the result; see `identity.identity`.

        Raises:
            TrainingError: the folder cannot be used, is in use, or holds another training or a damaged one.
        """
        with ExitStack() as stack:
            stack.enter_context(_locked(self.folder))
            state = self._state(identity)
            logs: list[Log] = [stack.enter_context(closing(log)) for log in self._logs()]
            yield KeptRun(self, dict(identity), state, logs)

    @property
    def path(self) -> Path:
        return self.folder / "state.pt"

    def beside(self, name: str) -> Path:
        """The path of another file in the folder, which is there then."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def _state(self, identity: Mapping[str, Scalar]) -> dict[str, Any] | None:
        """How far an earlier process came with the same training; None where there was none."""
        if not self.path.exists():
            return None
        state = load_state(self.path)
        if state.get("format") != FORMAT:
            raise TrainingError(
                f"{self.path}: expected a training in format {FORMAT}, found {state.get('format')!r}"
            )
        name = difference(identity, state["identity"])
        if name is not None:
            asked, kept = (_shown(values.get(name)) for values in (identity, state["identity"]))
            raise TrainingError(
                f"run: expected a training with {name} {asked} in {self.folder}, found one with {kept}; "
                "another training needs another folder"
            )
        return state

    def _logs(self) -> list[Log]:
        logs: list[Log] = [JSONLines(self.folder / "log.jsonl")]
        return [*logs, TensorBoard(self.folder / "tensorboard")] if self.tensorboard else logs


class KeptRun:
    """Keeps one fitting; a `fit.Checkpointer`."""

    def __init__(
        self,
        run: RunFolder,
        identity: dict[str, Scalar],
        state: dict[str, Any] | None,
        logs: list[Log],
    ) -> None:
        self.run, self.identity, self.logs = run, identity, logs
        self._state = state
        self._due = run.clock()

    def resume(self, fitting: Fitting) -> None:
        if self._state is not None:
            fitting.load(self._state["fitting"])
            self._state = None  # its memory is needed
            self.run.report(_taken_up(fitting, self.run.folder))
        for log in self.logs:
            log.begin(fitting.records)

    def keep(self, fitting: Fitting) -> None:
        for log in self.logs:
            log.add(fitting.records[-1])
        if fitting.finished or self.run.clock() >= self._due:
            self._save(fitting)

    def _save(self, fitting: Fitting) -> None:
        start = self.run.clock()
        save_state(
            self.run.path, {"format": FORMAT, "identity": self.identity, "fitting": fitting.state()}
        )
        end = self.run.clock()
        self._due = end + max(self.run.every, (SHARE - 1) * (end - start))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"run: expected a folder, found the file {folder}")
    durable.make_folder(folder.absolute(), os.fsync)
    with (folder / "lock").open("w") as file:
        try:
            # of the process, not of the open file: workers that outlive a killed process do not hold it
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise TrainingError(
                f"run: expected a folder that no training is using, found {folder} in use"
            ) from error
        except OSError:
            pass  # a file system without locks
        yield


def _taken_up(fitting: Fitting, folder: Path) -> str:
    if fitting.finished:
        return (
            f"run {folder}: finished before, after epoch {fitting.epoch}; nothing is trained anew"
        )
    return f"run {folder}: continued after epoch {fitting.epoch} of {fitting.recipe.epochs}"


def _shown(value: Scalar) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:12]}…"
