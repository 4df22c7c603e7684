"""Signs of life of the processes of one server, in memory that they share."""

import asyncio
import mmap
import struct
from time import monotonic

BEAT_SECONDS = 1.0
"""From one sign of life to the next."""

_TIME = struct.Struct("d")


class Pulses:
    """When each process has last shown that its event loop runs; made before the first fork.

    Args:
        count: how many processes there are.
    """

    def __init__(self, count: int) -> None:
        self._times = mmap.mmap(-1, count * _TIME.size)
        self._count = count
        self.renew()

    def renew(self) -> None:
        """Count from now for all of them."""
        for index in range(self._count):
            self.grant(index, 0.0)

    def grant(self, index: int, seconds: float) -> None:
        """Count from so many seconds ahead for one process, which is about to start."""
        # Eight aligned bytes: a reader sees the old or the new time. The clock is one for all.
        _TIME.pack_into(self._times, self._place(index), monotonic() + seconds)

    def age(self, index: int) -> float:
        """Return the seconds since a process's last sign of life."""
        (time,) = _TIME.unpack_from(self._times, self._place(index))
        return float(monotonic() - time)

    def beat(self, index: int) -> None:
        """Give signs of life from the running event loop, as long as it runs."""
        self.grant(index, 0.0)
        asyncio.get_running_loop().call_later(BEAT_SECONDS, self.beat, index)

    def _place(self, index: int) -> int:
        return index % self._count * _TIME.size
