"""Those who watch trainings, and what they are told."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from facet_vision.service.errors import Overloaded

from .channel import Channel, Happened
from .checks import left_behind
from .record import State, Training

PING_SECONDS = 15.0
"""After so long a silence a watcher is told that the connection holds."""

MAX_WATCHERS = 64
PROGRESS = ("phase", "done", "total", "loss", "score", "method")


class Watchers:
    """Tells what happens to trainings, and remembers what this server knows of them.

    Args:
        owner: name of this server.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._channels: dict[str, Channel] = {}
        self._progress: dict[str, Mapping[str, Any]] = {}
        self._states: dict[str, State] = {}
        self._watching = 0
        self._closed = False

    def seen(self, training: Training) -> Training:
        """Return a training with the state that it is in as far as this server sees."""
        if left_behind(training, self._owner):
            return replace(training, state="interrupted")
        return training

    def note(self, training: Training) -> None:
        """Remember the state of a training that nobody can watch yet."""
        self._states[training.id] = training.state

    def tell(self, training: Training) -> None:
        """Tell in which state a training is, and what came of it."""
        training = self.seen(training)
        self._states[training.id] = training.state
        if training.state != "running":
            self._progress.pop(training.id, None)
        channel = self._channel(training.id)
        channel.put("state", training)
        if training.state == "done":
            channel.put("result", training)

    def tell_progress(self, id: str, told: Mapping[str, Any]) -> None:
        """Tell how far a training is."""
        self._progress[id] = {name: told.get(name) for name in PROGRESS}
        self._channel(id).put("progress", self._progress[id])

    def progress(self, id: str) -> Mapping[str, Any] | None:
        """Return how far a training is that runs here."""
        return self._progress.get(id)

    def begin(self, id: str) -> None:
        """Forget what was told of an earlier run of a training."""
        self._channel(id).forget()

    def end(self, id: str) -> None:
        """End the watching of a training that is no more."""
        self._progress.pop(id, None)
        self._states.pop(id, None)
        if channel := self._channels.pop(id, None):
            channel.close()

    def know(self, trainings: Iterable[Training]) -> None:
        """Remember the states of all trainings that there are."""
        self._states = {training.id: self.seen(training).state for training in trainings}
        for id in self._channels.keys() - self._states.keys():  # another server has deleted it
            self.end(id)

    def count(self, state: str) -> int:
        """Return how many trainings are in a state."""
        return sum(each == state for each in self._states.values())

    def watch(self, training: Training, last: str) -> AsyncIterator[Happened | None]:
        """Yield what happens to a training, from `last` on, and None after a silence.

        It ends when the training is deleted, or all watching is.

        Raises:
            Overloaded: as many watch as may; this is raised at once.
        """
        if self._watching >= MAX_WATCHERS:
            raise Overloaded(
                f"training: expected at most {MAX_WATCHERS} that watch, found as many",
                retry_after=PING_SECONDS,
            )
        channel = self._channel(training.id)
        if channel.empty:
            self.tell(training)
        return self._watch(channel, last)

    async def _watch(self, channel: Channel, last: str) -> AsyncIterator[Happened | None]:
        self._watching += 1
        try:
            async for happened in channel.watch(last, PING_SECONDS):
                yield happened
        finally:
            self._watching -= 1

    def close(self) -> None:
        """End all watching."""
        self._closed = True
        for channel in self._channels.values():
            channel.close()

    def _channel(self, id: str) -> Channel:
        channel = self._channels.setdefault(id, Channel())
        if self._closed:
            channel.close()
        return channel
