"""Memory tier: the values used last stay, as many as a budget in bytes allows."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")

EvictionObserver = Callable[[float], None]
"""Called at each eviction with the seconds since the evicted value was last used."""


@dataclass(slots=True)
class _Slot(Generic[T]):
    value: T
    nbytes: int
    used: float


class LruCache(Generic[T]):
    """Values by task name; beyond the budget, the value with the longest unused time is evicted.

    Only the event loop uses it.

    Args:
        budget: most bytes of all values together. A single larger value is not stored.
        evicted: called with each eviction, not when a value is removed or replaced.
        clock: seconds, monotonic.

    Attributes:
        budget: as given.
        nbytes: bytes of all values.
    """

    def __init__(
        self,
        budget: int,
        *,
        evicted: EvictionObserver | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.budget = budget
        self.nbytes = 0
        self._evicted = evicted
        self._clock = clock
        self._slots: OrderedDict[str, _Slot[T]] = OrderedDict()  # the longest unused first

    def get(self, task: str) -> T | None:
        """Return the value of a task, if it is here; this counts as a use."""
        slot = self._slots.get(task)
        if slot is None:
            return None
        slot.used = self._clock()
        self._slots.move_to_end(task)
        return slot.value

    def find(self, task: str) -> T | None:
        """Return the value of a task, if it is here; this does not count as a use."""
        slot = self._slots.get(task)
        return slot.value if slot else None

    def put(self, task: str, value: T, nbytes: int) -> None:
        """Store a value in place of the task's former one, and evict what does not fit any more."""
        self.remove(task)
        if nbytes > self.budget:
            return
        self._slots[task] = _Slot(value, nbytes, self._clock())
        self.nbytes += nbytes
        while self.nbytes > self.budget:
            self._evict()

    def remove(self, task: str) -> None:
        """Remove a task's value; nothing happens if it is not here."""
        slot = self._slots.pop(task, None)
        self.nbytes -= slot.nbytes if slot else 0

    def __contains__(self, task: str) -> bool:
        return task in self._slots

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the tasks, the longest unused first."""
        return iter(list(self._slots))

    def __len__(self) -> int:
        return len(self._slots)

    def _evict(self) -> None:
        _, slot = self._slots.popitem(last=False)
        self.nbytes -= slot.nbytes
        if self._evicted:
            self._evicted(self._clock() - slot.used)
