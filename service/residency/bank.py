"""The tasks at hand: on the device, ready for the next batch, and behind them in host memory."""

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
    """The bytes of a task's version as the store gave them, checked against their sha256."""

    version: int
    data: bytes


class BankObserver(Protocol):
    """Is told which tier evicted a task, and how many seconds after its last use."""

    def __call__(self, tier: MemoryTier, age: float) -> None: ...


class Bank:
    """The live residents of the tasks that were used last, and the task files of those used last in host memory.

    Both tiers see every use, so the host tier holds the files of the tasks on the device and, where its budget
    reaches further, of those that were on it before. A file takes a fraction of its resident: prompts are stored in
    half precision, and each becomes a key and a value. So a host budget of the device's size reaches further.

    Requests keep the resident they were bound to: one that is replaced or evicted leaves the device with its last
    request. Touched by the event loop only.

    Args:
        device_budget, host_budget: most bytes in each tier.
        observe: told about evictions.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        device_budget: int,
        host_budget: int,
        *,
        observe: BankObserver | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        def tell(tier: MemoryTier) -> Callable[[float], None] | None:
            return (lambda age: observe(tier, age)) if observe else None

        self.device: LruCache[Resident] = LruCache(
            device_budget, evicted=tell("device"), clock=clock
        )
        self.host: LruCache[StoredFile] = LruCache(host_budget, evicted=tell("host"), clock=clock)
        self._alive: WeakSet[Resident] = WeakSet()

    def get(self, task: str) -> Resident | None:
        """The live resident of a task, if it is on the device; this counts as a use."""
        self.host.get(task)
        return self.device.get(task)

    def find(self, task: str) -> Resident | None:
        """The live resident of a task, if it is on the device; this does not count as a use."""
        return self.device.find(task)

    def data(self, task: str, version: int) -> bytes | None:
        """The task file of a version, if host memory has it."""
        file = self.host.find(task)
        return file.data if file and file.version == version else None

    def put(self, resident: Resident, data: bytes) -> None:
        """Make a resident, which was made from `data`, the live one of its task."""
        self._alive.add(resident)
        self.host.put(resident.task, StoredFile(resident.version, data), len(data))
        self.device.put(resident.task, resident, resident.nbytes)

    def remove(self, task: str) -> None:
        """Let a task go; nothing happens if it is not here."""
        self.device.remove(task)
        self.host.remove(task)

    @property
    def leaving_bytes(self) -> int:
        """Bytes on the device of residents that were replaced or evicted and still have rows to answer."""
        return sum(resident.nbytes for resident in list(self._alive)) - self.device.nbytes
