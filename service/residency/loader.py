"""Loader from a task file to a resident, for loads, uploads and rollbacks."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import torch

from facet_vision.prompts_store import BackboneFacts, Store, TaskFile
from facet_vision.prompts_store.fits import trusted
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import DeviceFull, UnfitTask

logger = logging.getLogger("facet.service")

Source = Literal["host", "store"]


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """A task that was brought onto the device.

    Attributes:
        resident: ready to answer.
        data: the task file that it was made from.
        source: where that file was.
        seconds: the time of reading, checking and encoding.
    """

    resident: Resident
    data: bytes
    source: Source
    seconds: float


class TaskLoader:
    """Reads task files, checks them and brings them onto the device; any thread may call it.

    Args:
        store: where the files are.
        engine: brings a checked file onto the device.
        facts: what a file must fit.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        facts: BackboneFacts,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._store = store
        self._engine = engine
        self._facts = facts
        self._clock = clock
        # One task at a time beside the running batches: more would only slow these down.
        self._placing = threading.Lock()

    def load(self, task: str, version: int, data: bytes | None = None) -> LoadedTask:
        """Bring a stored version onto the device.

        Args:
            task: its name.
            version: its number.
            data: the task file; None to read it from the store.

        Raises:
            StoreError: it cannot be read.
            TaskFileError, BackboneError, UnfitTask: it cannot be served under this name by this
                backbone.
            DeviceFull: the device has no room for it.
        """
        begun = self._clock()
        source: Source = "store" if data is None else "host"
        data = self._store.read(task, version) if data is None else data
        resident = self.place(self.check(task, data), version)
        return LoadedTask(resident, data, source, self._clock() - begun)

    def check(self, task: str, data: bytes) -> TaskFile:
        """Parse a task file and check it against the name and the backbone.

        Raises:
            TaskFileError, UnfitTask: it is damaged, or does not fit.
        """
        file = TaskFile.from_bytes(data)
        found = file.manifest.task
        if found != task:
            raise UnfitTask(
                f"task: expected {task!r} as in the path, found {found!r} in the manifest"
            )
        file.check_fits(self._facts)
        if note := trusted(file.manifest):
            logger.info("accepted, but %s", note)
        return file

    def place(self, file: TaskFile, version: int) -> Resident:
        """Bring a checked task file onto the device.

        Raises:
            BackboneError, UnfitTask: the backbone cannot serve it.
            DeviceFull: the device has no room for it.
        """
        with self._placing:
            try:
                return self._engine.place(file, version)
            except torch.OutOfMemoryError:
                name, size = file.manifest.task, file.nbytes
                raise DeviceFull(
                    f"device: expected room for the {size} bytes of task {name!r}, found none"
                ) from None
