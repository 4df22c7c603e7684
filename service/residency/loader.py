"""From a task file to a resident: what a load, an upload and a rollback have in common."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import torch

from facet_vision.prompts_store import BackboneFacts, Store, TaskFile
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import DeviceFull, UnfitTask

Source = Literal["host", "store"]


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """A task that was brought onto the device.

    Attributes:
        resident: ready to answer.
        data: the task file that it was made from.
        source: where that file was.
        seconds: what all of it took.
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
        self._store, self._engine, self._facts, self._clock = store, engine, facts, clock
        # One task at a time beside the running batches: more would only take the processor away from these.
        self._placing = threading.Lock()

    def open(self, task: str, version: int, data: bytes | None = None) -> LoadedTask:
        """Bring a stored version onto the device, from its bytes where they are at hand.

        Raises:
            StoreError: it cannot be read.
            TaskFileError, BackboneError, UnfitTask: it cannot be served under this name by this backbone.
            DeviceFull: the device has no room for it.
        """
        begun = self._clock()
        source: Source = "store" if data is None else "host"
        data = self._store.read(task, version) if data is None else data
        resident = self.place(self.check(task, data), version)
        return LoadedTask(resident, data, source, self._clock() - begun)

    def check(self, task: str, data: bytes) -> TaskFile:
        """Parse a task file and hold it against the name and the backbone.

        Raises:
            TaskFileError, UnfitTask: it is not sound, or does not fit.
        """
        file = TaskFile.from_bytes(data)
        if file.manifest.task != task:
            raise UnfitTask(
                f"task: expected {task!r} as in the path, found {file.manifest.task!r} in the manifest"
            )
        file.check_fits(self._facts)
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
