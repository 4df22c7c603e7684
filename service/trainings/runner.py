"""Runs the trainings that wait at this server, one at a time."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from facet_vision.prompts_store import DamagedObject, StoreError
from facet_vision.service.errors import TrainingError, WrongState
from facet_vision.service.settings import Settings

from .log import TrainingLog
from .process import TrainProcess
from .record import Begun, Done, Failed, Training
from .workplace import Desk, Workplace

logger = logging.getLogger("facet.service")

LOOK_SECONDS = 2.0
"""How often a server looks whether another one has ended what it trains."""

RETRY_SECONDS = 5.0
"""Pause after which what the store did not let happen is tried again."""

BY = "facet"

Command = Callable[[Training, Desk], Sequence[str]]
"""Returns the command that trains."""


class Runner:
    """The queue of this server, and what runs.

    Args:
        log: keeps the trainings.
        workplace: has the files of what runs.
        owner: name of this server.
        command: that trains.
        settings: threads and priority of a training.
        now: the time.
        tell: called with each training that has changed here.
        progress: called with the id of one and what it says of its progress.
    """

    def __init__(
        self,
        log: TrainingLog,
        workplace: Workplace,
        owner: str,
        command: Command,
        settings: Settings,
        now: Callable[[], datetime],
        tell: Callable[[Training], None],
        progress: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._log = log
        self._workplace = workplace
        self._owner = owner
        self._command = command
        self._settings = settings
        self._now = now
        self._tell = tell
        self._progress = progress
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._running: tuple[str, TrainProcess] | None = None

    def add(self, id: str) -> None:
        """Let a training wait for its turn."""
        self._waiting.put_nowait(id)

    def stop(self, id: str) -> None:
        """End a training's process, if it runs."""
        if self._running and self._running[0] == id:
            self._running[1].kill()

    def close(self) -> None:
        """End the process that runs, whichever it is."""
        if self._running:
            self._running[1].kill()

    async def work(self) -> None:
        """Run what waits, for ever."""
        while True:
            id = await self._waiting.get()
            try:
                with contextlib.suppress(TrainingError):  # it was cancelled or deleted meanwhile
                    await self._turn(id)
            except DamagedObject as error:
                await self._give_up(id, str(error))
            except StoreError as error:
                # An outage passes; the events say that the training is still to run.
                logger.warning("training %s is tried again: %s", id, error)
                await asyncio.sleep(RETRY_SECONDS)
                self.add(id)
            except Exception as error:
                logger.exception("training %s", id)
                await self._give_up(id, f"the server could not train it: {error}")

    async def _turn(self, id: str) -> None:
        training = await asyncio.to_thread(self._log.append, id, self._begun)
        self._tell(training)
        desk = self._workplace.desk(training)
        await asyncio.to_thread(desk.lay_out, training.images, self._reading(training))
        process = await TrainProcess.start(
            self._command(training, desk),
            threads=self._settings.training_threads,
            priority=self._settings.training_priority,
        )
        self._running = id, process
        looking = asyncio.create_task(self._look(training, process))
        try:
            async for told in process.progress():
                self._progress(id, told)
            code = await process.wait()
        finally:
            looking.cancel()
            process.kill()
            await process.wait()
            self._running = None
        await self._ended(training, desk, code, process.said)

    async def _ended(self, training: Training, desk: Desk, code: int, said: str) -> None:
        ended = self._done(training, desk) if code == 0 else self._failed(training, code, said)
        with contextlib.suppress(TrainingError):  # it was cancelled or deleted meanwhile
            self._tell(await ended)
        await asyncio.to_thread(self._workplace.clear, training.id)

    async def _give_up(self, id: str, error: str) -> None:
        def event(newest: Training) -> Failed:
            if newest.state != "running" or newest.owner != self._owner:
                raise WrongState("training: expected it to run at this server, found it does not")
            return Failed(at=self._now(), by=BY, error=error)

        with contextlib.suppress(TrainingError, StoreError):
            self._tell(await asyncio.to_thread(self._log.append, id, event))

    async def _done(self, training: Training, desk: Desk) -> Training:
        seconds = (self._now() - (training.started or self._now())).total_seconds()

        def end() -> Training:
            result = desk.result(training.images, seconds)
            name = self._log.write(training.id, "files", desk.task.read_bytes())

            def event(newest: Training) -> Done:
                self._check_mine(newest, training)
                return Done(at=self._now(), by=BY, result=result, file=name)

            try:
                return self._log.append(training.id, event)
            except TrainingError:
                self._log.discard(training.id, "files", name)
                raise

        return await asyncio.to_thread(end)

    async def _failed(self, training: Training, code: int, said: str) -> Training:
        error = said.removeprefix("facet train: ") or f"facet train ended with status {code}"

        def event(newest: Training) -> Failed:
            self._check_mine(newest, training)
            return Failed(at=self._now(), by=BY, error=error)

        return await asyncio.to_thread(self._log.append, training.id, event)

    async def _look(self, training: Training, process: TrainProcess) -> None:
        """End the process once another server has cancelled, deleted or taken over its training."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._check_mine(await asyncio.to_thread(self._log.get, training.id), training)
            except TrainingError:
                process.kill()
            except StoreError:
                continue

    def _begun(self, training: Training) -> Begun:
        if not training.busy or training.owner != self._owner:
            raise WrongState("training: expected it to wait at this server, found it does not")
        return Begun(at=self._now(), by=BY, owner=self._owner)

    def _check_mine(self, newest: Training, begun: Training) -> None:
        same = newest.state == "running" and newest.owner == self._owner
        if not same or newest.run != begun.run:
            raise WrongState("training: expected it to run at this server, found it does not")

    def _reading(self, training: Training) -> Callable[[Any], bytes]:
        return lambda image: self._log.read(training.id, "images", image.name)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
