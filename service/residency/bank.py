"""Bank of the resident tasks: on the device, and behind them their files in host memory."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, Protocol
from weakref import WeakSet

from facet_vision.service.engine.resident import Resident

from .lru import LruCache

MemoryTier = Literal["device", "host"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The bytes of a task's version as the store returned them, checked against their sha256."""

    version: int
    data: bytes


class BankObserver(Protocol):
    """Called with the tier that evicted a task, and the seconds since the task's last use."""

    def __call__(self, tier: MemoryTier, age: float) -> None: ...


class Bank:
    """The live residents of the tasks that were used last, and in host memory their task files.

    Both tiers see every use, so the host tier holds the files of the tasks on the device and,
    where its budget reaches further, of those that were on it before. A file takes a fraction of
    its resident: prompts are stored in half precision, and each becomes a key and a value. So a
    host budget of the device's size reaches further.

    Requests hold the resident they were bound to: one that is replaced or evicted leaves the
    device with its last request. Only the event loop uses the bank.

    Args:
        device_budget: most bytes of residents.
        host_budget: most bytes of task files.
        observe: called with every eviction.
        clock: seconds, monotonic.

    Attributes:
        device: the residents.
        host: the task files.
    """

    def __init__(
        self,
        device_budget: int,
        host_budget: int,
        *,
        observe: BankObserver | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        def report(tier: MemoryTier) -> Callable[[float], None] | None:
            return (lambda age: observe(tier, age)) if observe else None

        self.device: LruCache[Resident] = LruCache(
            device_budget, evicted=report("device"), clock=clock
        )
        self.host: LruCache[StoredFile] = LruCache(host_budget, evicted=report("host"), clock=clock)
        # Every resident that was in the bank and is still referenced, by the bank or by a request.
        self._alive: WeakSet[Resident] = WeakSet()

    def get(self, task: str) -> Resident | None:
        """Return the live resident of a task, if it is on the device; this counts as a use."""
        self.host.get(task)
        return self.device.get(task)

    def find(self, task: str) -> Resident | None:
        """Return the live resident of a task, if it is on the device; this is not a use."""
        return self.device.find(task)

    def data(self, task: str, version: int) -> bytes | None:
        """Return the task file of a version, if it is in host memory."""
        file = self.host.find(task)
        return file.data if file and file.version == version else None

    def put(self, resident: Resident, data: bytes) -> None:
        """Make a resident, which was made from `data`, the live one of its task."""
        self._alive.add(resident)
        self.host.put(resident.task, StoredFile(resident.version, data), len(data))
        self.device.put(resident.task, resident, resident.nbytes)

    def remove(self, task: str) -> None:
        """Remove a task from both tiers; nothing happens if it is in neither."""
        self.device.remove(task)
        self.host.remove(task)

    def drop(self, task: str, version: int) -> None:
        """Remove a version's file from host memory, if it is there."""
        if self.data(task, version) is not None:
            self.host.remove(task)

    @property
    def leaving_bytes(self) -> int:
        """Bytes on the device of residents that left the bank and still have rows to answer."""
        return sum(resident.nbytes for resident in list(self._alive)) - self.device.nbytes
