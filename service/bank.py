"""The tasks that are resident on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

from backbone import Prefix
from prompts_store import Head, Manifest


@dataclass(frozen=True, eq=False)
class Resident:
    """One version of a task, ready to answer; never changed, so a request may hold it as long as it needs.

    Attributes:
        manifest: what the task file says of itself.
        version: its number in the store.
        prefix: its encoded prompts, on the device.
        head: its head in float32, on the device.
    """

    manifest: Manifest
    version: int
    prefix: Prefix
    head: Head

    @property
    def task(self) -> str:
        """The task's name."""
        return self.manifest.task

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        return self.prefix.nbytes + self.head.nbytes


class Bank:
    """The live resident of each task.

    An entry is replaced whole. Requests keep the resident they were admitted with, so an old one leaves the device
    with its last request.
    """

    def __init__(self) -> None:
        self._residents: dict[str, Resident] = {}

    def get(self, task: str) -> Resident | None:
        """The live resident of a task, if it has one."""
        return self._residents.get(task)

    def put(self, resident: Resident) -> None:
        """Make a resident the live one of its task."""
        self._residents[resident.task] = resident

    def remove(self, task: str) -> None:
        """Let a task go; nothing happens if it is not here."""
        self._residents.pop(task, None)

    def __contains__(self, task: str) -> bool:
        return task in self._residents

    def __iter__(self) -> Iterator[Resident]:
        return iter(list(self._residents.values()))

    def __len__(self) -> int:
        return len(self._residents)

    @property
    def nbytes(self) -> int:
        """Bytes that the live residents hold on the device."""
        return sum(resident.nbytes for resident in self)
