"""Engines that tests control, and requests to a batcher around them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import torch
from torch import Tensor

from facet_vision.backbone import Adaptation
from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.engine.engine import Group
from facet_vision.service.engine.resident import Resident
from facet_vision.service.engine.rows import Answer
from tests.service.support.app import small_backbone, task_file

SMALL = small_backbone()


def resident(task: str, version: int = 1) -> Resident:
    file = task_file(SMALL, task)
    return Resident(file.manifest, version, Adaptation(), file.head)


def image(number: float) -> Tensor:
    return torch.full((1,), float(number))


class HeldEngine:
    """Answers each image with itself; waits at a gate before every batch.

    Attributes:
        batches: the batches so far: the task and number of rows of each group.
        gate: acquired by each batch before it answers.
        entered: released by each batch that has reached the gate.
        broken: whether a batch of these groups fails.
    """

    def __init__(self, *, open_gate: bool = False) -> None:
        self.batches: list[list[tuple[str, int]]] = []
        self.gate = threading.Semaphore(1000 if open_gate else 0)
        self.entered = threading.Semaphore(0)
        self.broken: Callable[[Sequence[Group]], bool] = lambda groups: False  # noqa: ARG005

    def __call__(self, groups: Sequence[Group]) -> list[Tensor]:
        self.batches.append([(resident.task, len(images)) for resident, images in groups])
        self.entered.release()
        self.gate.acquire()
        if self.broken(groups):
            raise RuntimeError("the device is on fire")
        return [torch.stack(list(images)) for _, images in groups]

    async def wait_until_entered(self) -> None:
        await asyncio.to_thread(self.entered.acquire)


@asynccontextmanager
async def running(engine: HeldEngine, **options: Any) -> AsyncIterator[Batcher]:
    batcher = Batcher(engine, **({"max_batch": 4, "queue_limit": 100} | options))
    batcher.start()
    yield batcher
    engine.gate.release(1000)
    await batcher.drain()


async def ask(batcher: Batcher, *rows: tuple[Resident, float], **terms: Any) -> list[Answer]:
    with batcher.admit([resident.task for resident, _ in rows], 1, **terms) as ticket:
        return await ticket.run([(resident, image(number)) for resident, number in rows])


async def ask_while_busy(
    batcher: Batcher, engine: HeldEngine, requests: Sequence[Sequence[tuple[Resident, float]]]
) -> list[asyncio.Task[list[Answer]]]:
    """Occupy the engine with one row of another task, then queue the requests in their order."""
    tasks = [asyncio.create_task(ask(batcher, (resident("first"), 0.0)))]
    await engine.wait_until_entered()
    for rows in requests:
        tasks.append(asyncio.create_task(ask(batcher, *rows)))
        await asyncio.sleep(0)
    return tasks


def values(answers: Sequence[Answer]) -> list[float]:
    return [answer.scores.item() for answer in answers]


@contextmanager
def held(batcher: Batcher) -> Iterator[None]:
    """Keeps the engine's thread busy for the length of the block."""
    entered, gate = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        gate.wait(20)

    loop = batcher._loop
    assert loop is not None
    loop.call_soon_threadsafe(lambda: loop.create_task(batcher.call(wait)))
    assert entered.wait(20)
    try:
        yield
    finally:
        gate.set()


class TimedEngine(HeldEngine):
    """An engine whose forwards take `fixed + per_image × images` seconds of its own clock."""

    def __init__(self, fixed: float, per_image: float) -> None:
        super().__init__(open_gate=True)
        self.now = 0.0
        self.fixed = fixed
        self.per_image = per_image

    def clock(self) -> float:
        return self.now

    def __call__(self, groups: Sequence[Group]) -> list[Tensor]:
        self.now += self.fixed + self.per_image * sum(len(images) for _, images in groups)
        return super().__call__(groups)

    @property
    def sizes(self) -> list[int]:
        return [sum(rows for _, rows in batch) for batch in self.batches]


async def learn(batcher: Batcher, engine: HeldEngine) -> None:
    """Run forwards of one to three rows, and clear the engine's records of them."""
    for rows in (1, 2, 3) * 5:
        await ask(batcher, *[(resident("birds"), float(number)) for number in range(rows)])
    engine.batches.clear()
    engine.entered = threading.Semaphore(0)
