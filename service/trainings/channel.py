"""What happens to a training, for those who watch: kept for a while, and passed on as it comes."""

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, NamedTuple

from .record import Training

Kind = Literal["state", "progress", "result"]

KEPT = 1000
"""Events that are kept for those who come later; older ones go first."""


class Happened(NamedTuple):
    """One event.

    Attributes:
        id: by which a watcher that lost its connection says what it has seen.
        kind: what `data` tells.
        data: the training as it was then, or its progress.
    """

    id: str
    kind: Kind
    data: Training | Mapping[str, Any]


class Channel:
    """The events of one training in this process."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)  # ids of another process, or of an earlier run, are none
        self._numbers = itertools.count(1)
        self._kept: deque[tuple[int, Happened]] = deque(maxlen=KEPT)
        self._changed = asyncio.Event()
        self.closed = False

    @property
    def empty(self) -> bool:
        """Whether there was no event yet."""
        return not self._kept

    def put(self, kind: Kind, data: Training | Mapping[str, Any]) -> None:
        """Pass an event on to all who watch."""
        number = next(self._numbers)
        self._kept.append((number, Happened(f"{self._name}-{number}", kind, data)))
        self._wake()

    def forget(self) -> None:
        """Forget what was kept: a new run begins."""
        self._kept.clear()

    def close(self) -> None:
        """End all watching; what was put before is still passed on."""
        self.closed = True
        self._wake()

    async def watch(self, last: str, pause: float) -> AsyncIterator[Happened | None]:
        """Yield the events after the one with the id `last`, all that are kept if it is none.

        None is yielded after each pause of so many seconds.
        """
        seen = self._number(last)
        while True:
            changed = self._changed
            for number, happened in [each for each in self._kept if each[0] > seen]:
                seen = number
                yield happened
            if self.closed:
                return
            if changed is not self._changed:  # something came while those were passed on
                continue
            try:
                async with asyncio.timeout(pause):
                    await changed.wait()
            except TimeoutError:
                yield None

    def _number(self, id: str) -> int:
        name, _, number = id.partition("-")
        return int(number) if name == self._name and number.isdecimal() else 0

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
