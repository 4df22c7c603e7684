"""Examples of instant tasks: they come and go in the live version.

A change reads the live version, makes the next one of its examples, and publishes that. Changes of
a task that wait for one under way are applied together, in one version. Where another server has
made a version live meanwhile, they are applied to that one, so none that was acknowledged is lost.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from facet_vision.prompts_store import (
    BackboneFacts,
    ExamplesError,
    Store,
    StoreConflict,
    TaskFile,
    TaskFileError,
    TaskNotFound,
    TaskState,
    Version,
)
from facet_vision.prompts_store.events import MAX_BY_LENGTH
from facet_vision.prompts_store.instant.borrowed import NOTHING, Borrowed
from facet_vision.prompts_store.instant.collection import Collection, Example
from facet_vision.prompts_store.instant.facts import InstantKind
from facet_vision.prompts_store.instant.file import borrowed_from, collection_of, instant_file
from facet_vision.service.engine.resident import BACKBONE
from facet_vision.service.errors import UnknownTask

from .bank import Bank
from .publisher import TaskPublisher
from .resolver import unavailable

DEFAULT_KIND: InstantKind = "lda"
"""Of a task that begins without a method: the most accurate from two examples of a label on, and
the same as nearest class mean before."""

TRIES = 20
"""How often changes are applied anew because another server was faster."""

Apply = Callable[[Collection | None], tuple[Collection, Sequence[str]]]
"""Returns the changed examples, and the ids of those that the change is about."""


Labelled = tuple[str, str, NDArray[np.float32]]
"""An image to learn from: its label, its id, and its feature, (feature_dim,)."""


@dataclass(frozen=True)
class Label:
    """A label with the ids of its examples."""

    label: str
    examples: Sequence[str]

    @property
    def count(self) -> int:
        """How many examples it has."""
        return len(self.examples)


@dataclass(frozen=True)
class Examples:
    """The examples of the live version of a task.

    The HTTP schemas read these attributes by name.

    Attributes:
        task: its name.
        version: number of the version.
        sha256: of its file.
        method: how its head is made of them.
        labels: in the order of the task's.
        examples: the ids that a change was about.
        created: whether the change made this version.
    """

    task: str
    version: int
    sha256: str
    method: InstantKind
    labels: Sequence[Label]
    examples: Sequence[str] = ()
    created: bool = False


class _Live(NamedTuple):
    """The live version of a task: which it is, what it says of itself, and its examples."""

    version: Version
    description: str
    collection: Collection


class _Change:
    """A change that somebody waits for.

    Attributes:
        apply: makes it.
        by: who asks for it.
        ids: what it was about, once it is applied.
        refusal: why it was refused.
        outcome: what the one who asks gets.
    """

    def __init__(self, apply: Apply, by: str) -> None:
        self.apply = apply
        self.by = by
        self.ids: Sequence[str] = ()
        self.refusal: Exception | None = None
        self.outcome: asyncio.Future[Examples] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Examples | Exception) -> None:
        if self.outcome.done():  # who asked has left
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class TaskExamples:
    """Changes the examples of tasks. Only the event loop calls its methods.

    Args:
        store: every version of every task.
        bank: task files in host memory.
        publisher: publishes what changes make.
        backbone: what the features are of.
    """

    def __init__(
        self, store: Store, bank: Bank, publisher: TaskPublisher, backbone: BackboneFacts
    ) -> None:
        self._store = store
        self._bank = bank
        self._publisher = publisher
        self._backbone = backbone
        self._waiting: dict[str, list[_Change]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def embedder(self, task: str) -> str:
        """Return what makes features of a task's images: itself if it has an adaptation, or else
        the bare backbone.

        Raises:
            TaskUnavailable: its file cannot be read.
        """
        state = await self._state(task)
        if state is None or state.live is None:
            return BACKBONE
        return BACKBONE if await self._borrowed(task, state.live) is NOTHING else task

    async def show(self, task: str) -> Examples:
        """Return the examples of a task.

        Raises:
            UnknownTask, TaskUnavailable: it is not live, or not of this backbone.
            NotInstant: it has none.
        """
        live = await self._live(task)
        if live is None:
            raise _not_live(task)
        return _examples(task, live.version, live.collection)

    async def add(
        self,
        task: str,
        examples: Sequence[Labelled],
        kind: InstantKind | None,
        *,
        by: str,
        under: tuple[str, int] = (BACKBONE, 0),
    ) -> Examples:
        """Add examples to a task; one that is not live begins with them.

        Args:
            task: its name.
            examples: to add, in this order.
            kind: of head; None for the task's, or `DEFAULT_KIND` for one that begins.
            by: who asks.
            under: the task and version under whose adaptation they are features.

        Raises:
            ExamplesError: the task cannot take them.
            TaskUnavailable: it is not of this backbone.
            StoreError, DeviceFull, Draining: see `TaskPublisher.publish`.
        """
        borrowed = await self._borrowed(*under)
        return await self._change(task, partial(_add, examples, kind, borrowed), by)

    async def forget_label(self, task: str, label: str, *, by: str) -> Examples:
        """Forget a label with its examples.

        Raises:
            UnknownTask, TaskUnavailable: the task is not live, or not of this backbone.
            ExamplesError: there is no such label, or nothing else.
            StoreError, DeviceFull, Draining: see `TaskPublisher.publish`.
        """
        return await self._change(task, partial(_forget_label, task, label), by)

    async def forget(self, task: str, id: str, *, by: str) -> Examples:
        """Forget an example; raises what `forget_label` does."""
        return await self._change(task, partial(_forget, task, id), by)

    async def use(self, task: str, kind: InstantKind, *, by: str) -> Examples:
        """Make another kind of head of a task's examples; raises what `forget_label` does."""
        return await self._change(task, partial(_use, task, kind), by)

    async def _change(self, task: str, apply: Apply, by: str) -> Examples:
        change = _Change(apply, by)
        waiting = self._waiting.setdefault(task, [])
        waiting.append(change)
        if len(waiting) == 1:  # who comes before these are taken goes along with them
            running = asyncio.ensure_future(self._work(task))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return await change.outcome  # it is made whether or not the client stays

    async def _work(self, task: str) -> None:
        """Make the changes that wait once the operations before them are done."""
        changes: list[_Change] = []
        try:
            await self._publisher.change(task, partial(self._make, task, changes))
        except Exception as error:
            for change in changes or self._waiting.pop(task, []):
                change.settle(error)

    async def _make(self, task: str, changes: list[_Change]) -> None:
        """Take the changes that wait, make them, and settle each."""
        changes += self._waiting.pop(task)
        examples = await self._made(task, changes)
        for change in changes:
            if change.refusal is not None:
                change.settle(change.refusal)
            elif examples is not None:
                change.settle(replace(examples, examples=change.ids))

    async def _made(self, task: str, changes: Sequence[_Change]) -> Examples | None:
        """Return the examples that are live once the changes are made; None if the task is not."""
        for _ in range(TRIES):
            live = await self._live(task)
            made = await asyncio.to_thread(_applied, changes, live.collection if live else None)
            if made is None or (live is not None and made.equals(live.collection)):
                return _examples(task, live.version, live.collection) if live else None
            by = ", ".join(dict.fromkeys(each.by for each in changes if each.refusal is None))
            data = await asyncio.to_thread(self._file, task, made, live)
            former = live.version.number if live else None
            try:
                version = await self._publisher.supersede(task, former, data, by=by[:MAX_BY_LENGTH])
            except StoreConflict:
                continue
            return _examples(task, version, made, created=True)
        raise StoreConflict(
            f"task '{task}': expected to change its live version within {TRIES} tries, found "
            "other servers changing it each time"
        )

    async def _live(self, task: str) -> _Live | None:
        """Return the live version as the store has it now; None if there is none.

        Raises:
            NotInstant: it has no examples.
            TaskUnavailable: they are features of another backbone, or cannot be read.
        """
        state = await self._state(task)
        if state is None or state.live is None:
            return None
        data = await self._data(task, state.live)
        description, collection = await asyncio.to_thread(self._read, task, data)
        return _Live(state.version(state.live), description, collection)

    async def _state(self, task: str) -> TaskState | None:
        try:
            return await asyncio.to_thread(self._store.state, task)
        except TaskNotFound:
            return None

    async def _data(self, task: str, version: int) -> bytes:
        if (data := self._bank.data(task, version)) is not None:
            return data
        return await asyncio.to_thread(self._store.read, task, version)

    async def _borrowed(self, task: str, version: int) -> Borrowed:
        """Return the adaptation of a version that has just answered; version 0 has none."""
        if version == 0:
            return NOTHING
        resident = self._bank.find(task)
        if resident and resident.version == version and resident.adaptation.is_empty:
            return NOTHING
        data = await self._data(task, version)
        return await asyncio.to_thread(self._borrowed_in, task, version, data)

    def _borrowed_in(self, task: str, version: int, data: bytes) -> Borrowed:
        return borrowed_from(_parsed(task, data), version)

    def _read(self, task: str, data: bytes) -> tuple[str, Collection]:
        """Return the description and the examples in a task file."""
        file = _parsed(task, data)
        try:
            file.check_fits(self._backbone)
        except TaskFileError as error:
            raise unavailable(task, str(error), passing=False) from error
        return file.manifest.description, collection_of(file)

    def _file(self, task: str, collection: Collection, live: _Live | None) -> bytes:
        description = live.description if live else ""
        return instant_file(task, collection, self._backbone, description=description).to_bytes()


def _parsed(task: str, data: bytes) -> TaskFile:
    try:
        return TaskFile.from_bytes(data)
    except TaskFileError as error:
        raise unavailable(task, str(error), passing=False) from error


def _applied(changes: Sequence[_Change], before: Collection | None) -> Collection | None:
    """Return the examples after the changes, of which one that is refused changes nothing."""
    made = before
    for change in changes:
        change.refusal = None
        try:
            made, change.ids = change.apply(made)
        except (ExamplesError, UnknownTask) as error:
            change.refusal = error
    return made


def _add(
    examples: Sequence[Labelled],
    kind: InstantKind | None,
    borrowed: Borrowed,
    before: Collection | None,
) -> tuple[Collection, Sequence[str]]:
    if before is None:
        made = Collection(kind or DEFAULT_KIND, borrowed=borrowed)
    else:
        made = before.uses(kind).under(borrowed)
    labels: dict[str, list[Example]] = {}
    for label, id, feature in examples:
        labels.setdefault(label, []).append(Example(id, torch.from_numpy(feature)))
    for label, own in labels.items():
        made = made.add(label, own)
    return made, [id for _, id, _ in examples]


def _forget_label(
    task: str, label: str, before: Collection | None
) -> tuple[Collection, Sequence[str]]:
    if before is None:
        raise _not_live(task)
    return before.forget_label(label), list(before.labels[label])


def _forget(task: str, id: str, before: Collection | None) -> tuple[Collection, Sequence[str]]:
    if before is None:
        raise _not_live(task)
    return before.forget(id), [id]


def _use(
    task: str, kind: InstantKind, before: Collection | None
) -> tuple[Collection, Sequence[str]]:
    if before is None:
        raise _not_live(task)
    return replace(before, kind=kind), []


def _examples(
    task: str, version: Version, collection: Collection, *, created: bool = False
) -> Examples:
    labels = [Label(label, list(known)) for label, known in collection.labels.items()]
    return Examples(task, version.number, version.sha256, collection.kind, labels, created=created)


def _not_live(task: str) -> UnknownTask:
    return UnknownTask(f"task {task[:128]!r}: expected a live task, found none")
