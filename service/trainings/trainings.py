"""Everything that can be done with trainings.

Only the event loop calls these methods; what reads or writes runs in threads. Changes of one
training wait for one another.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from facet_vision.prompts_store import Store, StoreError
from facet_vision.prompts_store.keys import TRAININGS, WORK
from facet_vision.service.errors import (
    Draining,
    TrainingFull,
    TrainingsOff,
    UnknownTraining,
    WrongState,
)
from facet_vision.service.settings import Settings

from .adding import NewImage, add
from .channel import Happened
from .checks import check_enough, check_idle, image_of
from .command import train_command
from .log import TrainingLog
from .owner import this_server, whereabouts
from .record import (
    AnyEvent,
    Cancelled,
    Created,
    Deleted,
    Event,
    Image,
    Labelled,
    Method,
    PublishedAs,
    Queued,
    Removed,
    Training,
)
from .runner import BY, Command, Runner, ended
from .watchers import Watchers
from .workplace import Workplace

logger = logging.getLogger("facet.service")

PARALLEL_UPLOADS = 1
"""Requests whose images are decoded at once; the others' predict calls need the threads."""

SWEEP_SECONDS = 30.0
"""How often trainings whose time is over are deleted."""


class Trainings:
    """The trainings of a store, of which this server runs those that are started here.

    Args:
        settings: limits, and the backbone to train on.
        store: keeps them beside the tasks.
        now: the time.
        command: that trains; by default `facet train`.

    Attributes:
        decoding: to be held while images are decoded that are sent to a training.
        closed: whether changes are refused because the server is shutting down.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        command: Command | None = None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._log = TrainingLog(store.tree(TRAININGS))
        self._workplace = Workplace(store.folder and store.folder / WORK)
        self._owner = this_server()
        self._watchers = Watchers(self._owner)
        self._runner = Runner(
            self._log,
            self._workplace,
            self._owner,
            command or train_command(settings),
            settings,
            now,
            self._watchers.tell,
            self._watchers.tell_progress,
        )
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._background: list[asyncio.Task[None]] = []
        self.decoding = asyncio.Semaphore(PARALLEL_UPLOADS)
        self.closed = False

    # What routes ask.

    async def all(self, sees: Callable[[str], bool]) -> list[Training]:
        """Return the trainings of the tasks that `sees` is true of, in order of their creation."""
        found = await asyncio.to_thread(self._log.all)
        return [
            self._watchers.seen(each) for each in found if sees(each.plan.task) and self._kept(each)
        ]

    async def get(self, id: str, sees: Callable[[str], bool]) -> Training:
        """Return a training; raise UnknownTraining if there is none, or none to be seen."""
        training = await asyncio.to_thread(self._log.get, id)
        if not sees(training.plan.task) or not self._kept(training):
            raise UnknownTraining(f"training '{id}': expected one of that id, found none")
        return self._watchers.seen(training)

    def progress(self, id: str) -> Mapping[str, Any] | None:
        """Return how far a training is that runs here."""
        return self._watchers.progress(id)

    async def create(
        self, task: str, method: Method, budget: int | None, keep: int | None, *, by: str
    ) -> Training:
        """Create a training.

        Raises:
            TrainingsOff: this server trains nothing.
            TrainingFull: it has as many as it may have.
        """
        self._check_trains()
        most = self._settings.max_trainings
        known = await asyncio.to_thread(self._log.all)
        if len(known) >= most:
            raise TrainingFull(
                f"training: expected at most {most} that are kept on this server, found "
                f"{len(known)}; delete one"
            )
        event = Created(
            at=self._now(),
            by=by,
            task=task,
            method=method,
            budget_seconds=budget,
            keep_seconds=keep,
        )
        training = await asyncio.to_thread(self._log.create, event)
        self._watchers.note(training)
        return training

    async def add(self, id: str, images: Sequence[NewImage], *, by: str) -> list[Image]:
        """Add images; the same one again gets the label that it now has.

        They are durable when this returns.

        Raises:
            UnknownTraining, WrongState: there is no such training, or it is busy.
            TrainingFull: it would have more images, or bytes of them, than it may.
        """
        self._check_open()
        async with self._lock(id):
            stamp = Event(at=self._now(), by=by)
            return await asyncio.to_thread(
                add, self._log, self._settings, self._owner, id, images, stamp
            )

    async def read(self, training: Training, image: str) -> tuple[Image, bytes]:
        """Return an image with its bytes; raise UnknownImage."""
        found = image_of(training, image)
        data = await asyncio.to_thread(self._log.read, training.id, "images", found.name)
        return found, data

    async def relabel(self, id: str, image: str, label: str, *, by: str) -> Image:
        """Give an image another label; raise UnknownImage or WrongState."""

        def event(training: Training) -> Labelled:
            check_idle(training, self._owner)
            image_of(training, image)
            return Labelled(at=self._now(), by=by, image=image, label=label)

        return image_of(await self._change(id, event), image)

    async def remove(self, id: str, image: str, *, by: str) -> None:
        """Remove an image with its bytes; raise UnknownImage or WrongState."""
        removed: list[Image] = []

        def event(training: Training) -> Removed:
            check_idle(training, self._owner)
            removed[:] = [image_of(training, image)]
            return Removed(at=self._now(), by=by, image=image)

        await self._change(id, event)
        await asyncio.to_thread(self._log.discard, id, "images", removed[0].name)

    async def start(self, id: str, *, by: str) -> Training:
        """Let a training wait for its turn, whether or not it was trained before.

        Raises:
            WrongState: it waits or runs already, or has too few images.
            TrainingsOff: this server trains nothing.
        """
        self._check_trains()
        former: list[str | None] = []

        def event(training: Training) -> Queued:
            check_idle(training, self._owner)
            check_enough(training)
            former[:] = [training.file]
            return Queued(at=self._now(), by=by, owner=self._owner)

        training = await self._change(id, event)
        self._watchers.begin(id)
        self._watchers.tell(training)
        self._runner.add(id)
        if former[0]:
            await asyncio.to_thread(self._log.discard, id, "files", former[0])
        return training

    async def cancel(self, id: str, *, by: str) -> Training:
        """Take a training out of the queue, or end it; raise WrongState if it does neither."""

        def event(training: Training) -> Cancelled:
            if not training.busy:
                raise WrongState(
                    f"training '{id}': expected it queued or running, found it {training.state}"
                )
            return Cancelled(at=self._now(), by=by)

        training = await self._change(id, event)
        self._runner.stop(id)
        self._watchers.tell(training)
        return training

    async def delete(self, id: str, *, by: str) -> None:
        """Delete a training with its images and all; it is ended if it runs."""
        await self._change(id, lambda _: Deleted(at=self._now(), by=by))
        self._runner.stop(id)
        self._watchers.end(id)
        await asyncio.to_thread(self._log.remove, id)

    async def task_file(self, training: Training) -> bytes:
        """Return what a training made; raise WrongState if it is not done."""
        if training.state != "done" or training.file is None:
            raise WrongState(
                f"training '{training.id}': expected it done, found it {training.state}"
            )
        return await asyncio.to_thread(self._log.read, training.id, "files", training.file)

    async def published(self, training: Training, version: int, *, by: str) -> None:
        """Note which version a training's file became."""

        def event(newest: Training) -> PublishedAs:
            if newest.file != training.file:
                raise WrongState(
                    f"training '{training.id}': expected it as it was published, found it "
                    "started again"
                )
            return PublishedAs(at=self._now(), by=by, version=version)

        with contextlib.suppress(WrongState, UnknownTraining):  # the version is there all the same
            self._watchers.tell(await self._change(training.id, event))

    def watch(self, training: Training, last: str) -> AsyncIterator[Happened | None]:
        """Yield what happens to a training; see `Watchers.watch`."""
        return self._watchers.watch(training, last)

    def count(self, state: str) -> int:
        """Return how many trainings are in a state, as far as this server knows."""
        return self._watchers.count(state)

    # What the server does with them.

    def open(self) -> None:
        """Take up what was under way, and begin to work."""
        if self._settings.max_trainings:
            self._background.append(asyncio.create_task(self._runner.work()))
        self._background.append(asyncio.create_task(self._keep_house()))

    def drain(self) -> None:
        """Take no further changes, and end all watching."""
        self.closed = True
        self._watchers.close()

    async def close(self) -> None:
        """End what runs; the next server takes it up."""
        self.drain()
        for task in self._background:
            await ended(task)
        await asyncio.to_thread(self._workplace.close)

    async def take_up(self) -> None:
        """Let wait what a server of this host has left, and clear away the files of the rest."""
        trainings = await asyncio.to_thread(self._log.all)
        for training in trainings:
            if self._settings.max_trainings and _orphaned(training):
                await self._take_over(training.id)
        kept = {training.id for training in trainings if training.busy}
        for id in await asyncio.to_thread(self._workplace.ids):
            if id not in kept:
                await asyncio.to_thread(self._workplace.clear, id)

    async def sweep(self) -> None:
        """Delete the trainings whose time is over, and take up removals that were cut off."""
        await asyncio.to_thread(self._log.remove_leftovers)
        found = await asyncio.to_thread(self._log.all)
        self._watchers.know(found)
        for training in found:
            if not self._kept(training):
                with contextlib.suppress(UnknownTraining):
                    await self.delete(training.id, by=BY)

    async def _keep_house(self) -> None:
        taken_up = False
        while True:
            try:
                if not taken_up:
                    await self.take_up()
                    taken_up = True
                await self.sweep()
            except StoreError as error:  # an outage passes; the next time it is tried again
                logger.warning("trainings cannot be looked after: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _take_over(self, id: str) -> None:
        def event(training: Training) -> Queued:
            if not _orphaned(training):
                raise WrongState(f"training '{id}': expected it left behind, found it is not")
            return Queued(at=self._now(), by=BY, owner=self._owner, resumed=True)

        with contextlib.suppress(WrongState, UnknownTraining):
            self._watchers.tell(await self._change(id, event))
            self._runner.add(id)

    def _check_open(self) -> None:
        if self.closed:
            raise Draining("training: expected a server that stays, found it shutting down")

    def _check_trains(self) -> None:
        self._check_open()
        if not self._settings.max_trainings:
            raise TrainingsOff(
                "training: expected a server that trains, found max_trainings 0 in its settings"
            )

    async def _change(self, id: str, event: Callable[[Training], AnyEvent]) -> Training:
        async with self._lock(id):
            return await asyncio.to_thread(self._log.append, id, event)

    def _lock(self, id: str) -> asyncio.Lock:
        lock = self._locks.get(id)
        if lock is None:
            lock = self._locks[id] = asyncio.Lock()
        return lock

    def _kept(self, training: Training) -> bool:
        """Return whether a training's time is not over."""
        return training.delete_at is None or self._now() < training.delete_at


def _orphaned(training: Training) -> bool:
    """Return whether the server of this host at which a training waits or runs has ended."""
    return training.busy and whereabouts(training.owner) == "ended"
