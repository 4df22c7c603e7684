"""Follower of the store: what it says of a task is what this server knows and serves."""

import asyncio
import logging

from facet_vision.prompts_store import Store, StoreError, TaskState
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import TaskUnavailable

from .bank import Bank
from .registry import Registry
from .resolver import TaskResolver

logger = logging.getLogger("facet.service")


class StoreFollower:
    """Makes registry and bank agree with a task's history. Only the event loop calls its methods.

    No method needs a lock: each step of the event loop decides by the newest history known then.

    Args:
        store: every version of every task.
        registry: what is known of each task.
        bank: the resident tasks.
        resolver: loads the live version of a task that is on the device.
    """

    def __init__(
        self, store: Store, registry: Registry, bank: Bank, resolver: TaskResolver
    ) -> None:
        self._store = store
        self._registry = registry
        self._bank = bank
        self._resolver = resolver

    async def follow(self, task: str) -> bool:
        """Read a task's history and agree with it; return whether it could be read."""
        try:
            state = await asyncio.to_thread(self._store.state, task)
        except StoreError as error:
            logger.warning("task %r cannot be read from the store: %s", task, error)
            return False
        await self.agree(state)
        return True

    async def agree(self, state: TaskState) -> None:
        """Record a history; serve the live version of a task on the device, or nothing of it.

        A history older than the known one changes nothing.
        """
        entry = self._registry.learn(state)
        resident = self._bank.find(state.name)
        if entry.live is None:
            self._bank.remove(state.name)
        elif resident is not None and resident.version != entry.live:
            await self._replace(state.name, entry.live)

    def enter(self, resident: Resident, data: bytes, state: TaskState) -> None:
        """Enter what `state` says is live into registry and bank, in one step of the event loop.

        Where a newer history is known by then, that one is right.
        """
        entry = self._registry.learn(state)
        if entry.live == resident.version:
            self._registry.succeed(resident.task)
            self._bank.put(resident, data)

    def outdated(self) -> list[str]:
        """Return the tasks on the device with another version than the live one.

        Their live version could not be loaded yet.
        """
        outdated = []
        for task in self._bank.device:
            resident, entry = self._bank.find(task), self._registry.get(task)
            if resident and entry and resident.version != entry.live:
                outdated.append(task)
        return outdated

    async def _replace(self, task: str, version: int) -> None:
        """Load the live version of a task on the device; until then, the former one answers."""
        try:
            await self._resolver.load(task, version)
        except TaskUnavailable:
            entry = self._registry.get(task)
            # An outage of the store must not take down a version that still answers; the next
            # refresh tries again.
            if entry is None or entry.failure is None or entry.failure.final:
                self._bank.remove(task)
