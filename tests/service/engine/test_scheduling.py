"""Scheduling: batch sizes, priorities, shares of the quota, deadlines."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from facet_vision.backbone import Adaptation
from facet_vision.service.engine.batch import BatchReport
from facet_vision.service.engine.engine import Group
from facet_vision.service.engine.resident import Resident
from facet_vision.service.errors import DeadlineUnreachable, Draining, ForwardFailed, Overloaded
from tests.service.support.batcher import (
    HeldEngine,
    TimedEngine,
    ask,
    ask_while_busy,
    image,
    learn,
    resident,
    running,
    values,
)

pytestmark = pytest.mark.anyio


async def test_batches_stay_within_the_latency_target() -> None:
    engine = TimedEngine(fixed=0.010, per_image=0.010)
    async with running(engine, max_batch=16, latency_target=0.0501, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        assert batcher.batch_limit == 4
        engine.gate = threading.Semaphore(0)
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), n)] for n in range(30)])
        engine.gate.release(1000)
        await asyncio.gather(*tasks)
    assert max(engine.sizes) == 4
    assert sum(engine.sizes) == 31


async def test_without_a_target_batches_grow_while_that_raises_the_throughput() -> None:
    for fixed, each, limit in ((0.001, 0.100, 4), (0.100, 0.001, 16)):
        engine = TimedEngine(fixed=fixed, per_image=each)
        async with running(engine, max_batch=16, clock=engine.clock) as batcher:
            await learn(batcher, engine)
            assert batcher.batch_limit == limit


async def test_nothing_is_held_back_for_a_fuller_batch() -> None:
    engine = TimedEngine(fixed=0.010, per_image=0.001)
    async with running(engine, max_batch=16, latency_target=1.0, clock=engine.clock) as batcher:
        for _ in range(3):
            await ask(batcher, (resident("birds"), 1.0))
    assert engine.sizes == [1, 1, 1]


async def test_a_forward_that_failed_teaches_nothing_about_costs() -> None:
    engine = TimedEngine(fixed=0.010, per_image=0.010)
    async with running(engine, max_batch=16, latency_target=0.0501, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        engine.broken, engine.fixed = (lambda groups: True), 100.0  # noqa: ARG005
        for _ in range(20):
            with pytest.raises(ForwardFailed):
                await ask(batcher, (resident("birds"), 1.0))
        assert batcher.batch_limit == 4


async def test_priorities_leave_by_weight() -> None:
    engine = HeldEngine()
    async with running(engine, max_batch=1) as batcher:
        tasks = [asyncio.create_task(ask(batcher, (resident("first"), 0.0)))]
        await engine.wait_until_entered()
        for number in range(6):
            for priority in ("low", "normal", "high"):
                tasks.append(
                    asyncio.create_task(
                        ask(batcher, (resident(priority), number), priority=priority)
                    )
                )
        await asyncio.sleep(0)
        engine.gate.release(100)
        await asyncio.gather(*tasks)
    order = [task for ((task, _),) in engine.batches[1:]]
    assert order[:8] == ["high"] * 6 + ["normal"] * 2
    assert order.index("low") == 9  # a share, not what other priorities leave
    assert order[-1] == "low"


async def test_a_busy_task_is_refused_before_other_tasks_are() -> None:
    engine = HeldEngine()
    async with running(engine, queue_limit=10) as batcher:
        tickets = [batcher.admit(["busy"], 1) for _ in range(8)]
        with pytest.raises(Overloaded, match="task 'busy'"):
            batcher.admit(["busy"], 1)
        with pytest.raises(Overloaded, match="task 'busy'"):
            batcher.admit(["quiet", "busy"], 1)
        tickets += [batcher.admit(["quiet"], 1), batcher.admit(["busy"], 1, priority="high")]
        for ticket in tickets:
            with ticket:
                pass
        assert batcher.admitted == 0


async def test_check_raises_what_admit_would_raise_and_reserves_nothing() -> None:
    async with running(HeldEngine(), queue_limit=1) as batcher:
        batcher.check(["birds"], 1)
        assert batcher.admitted == 0
        with batcher.admit(["birds"], 1):
            for tasks in (["birds"], []):  # no task is known before a form is read
                with pytest.raises(Overloaded):
                    batcher.check(tasks, 1)
        batcher.draining = True
        with pytest.raises(Draining):
            batcher.check([], 1)


async def test_retry_after_is_the_time_that_the_admitted_rows_take() -> None:
    engine = TimedEngine(fixed=1.0, per_image=0.5)
    async with running(engine, max_batch=4, queue_limit=16, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        with batcher.admit(["birds"], 13), pytest.raises(Overloaded) as refused:
            batcher.admit(["cars"], 4)
    assert refused.value.retry_after == pytest.approx(12, abs=0.01)  # four batches of 3 seconds


async def test_a_deadline_behind_too_much_work_is_refused_at_once() -> None:
    engine = TimedEngine(fixed=1.0, per_image=0.5)
    async with running(engine, max_batch=4, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        engine.gate = threading.Semaphore(0)
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), n)] for n in range(8)])
        now = engine.now
        with pytest.raises(
            DeadlineUnreachable, match=r"within 5 seconds, found 6\S* seconds"
        ) as refused:
            batcher.admit(["birds"], 1, deadline=now + 5)
        assert refused.value.retry_after >= 1
        for terms in ({"deadline": now + 7}, {"priority": "high", "deadline": now + 5}):
            batcher.check(["birds"], 1, **terms)
        batcher.check(["quiet"], 1, deadline=now + 4)  # it is served a batch earlier
        engine.gate.release(1000)
        await asyncio.gather(*tasks)
        # Nothing waits, so it is not refused beforehand.
        batcher.check(["birds"], 1, deadline=engine.now)


async def test_rows_past_their_deadline_are_not_computed() -> None:
    engine = TimedEngine(fixed=1.0, per_image=0.0)
    engine.gate = threading.Semaphore(0)
    async with running(engine, clock=engine.clock) as batcher:
        tasks = await ask_while_busy(batcher, engine, [])
        late = asyncio.create_task(ask(batcher, (resident("late"), 1.0), deadline=0.5))
        early = asyncio.create_task(ask(batcher, (resident("early"), 1.0), deadline=5.0))
        await asyncio.sleep(0)
        engine.now = 1.0
        engine.gate.release(10)
        await asyncio.gather(early, *tasks)
        late.cancel()
    assert engine.batches == [[("first", 1)], [("early", 1)]]


async def test_one_image_for_several_tasks_without_prompts_counts_once() -> None:
    reports: list[BatchReport] = []
    bare = [resident(name) for name in "abc"]
    prompted = Resident(bare[0].manifest, 2, Adaptation(torch.zeros(1, 1)), bare[0].head)
    async with running(HeldEngine(open_gate=True), max_batch=2, observe=reports.append) as batcher:
        shared, other = image(1), image(2)
        with batcher.admit(["a", "b", "c", "p"], 2) as ticket:
            rows = [(each, picture) for picture in (shared, other) for each in (*bare, prompted)]
            answers = await ticket.run(rows)
    assert values(answers) == [1.0] * 4 + [2.0] * 4
    assert [(report.images, report.rows, report.full) for report in reports] in (
        [(2, 4, True), (2, 4, True)],
        [(2, 6, True), (2, 2, True)],
    )


class SharingEngine(TimedEngine):
    """An engine whose forwards take time for every different image, whatever their rows."""

    def __call__(self, groups: Sequence[Group]) -> list[Tensor]:
        different = {id(image) for _, images in groups for image in images}
        rows = sum(len(images) for _, images in groups)
        self.now -= self.per_image * (rows - len(different))
        return super().__call__(groups)


async def test_the_cost_is_learned_from_the_images_that_were_computed() -> None:
    engine = SharingEngine(fixed=0.010, per_image=0.010)
    tasks = [resident(f"task-{number}") for number in range(8)]
    async with running(engine, max_batch=16, latency_target=0.0501, clock=engine.clock) as batcher:
        for count in (1, 2, 3) * 5:
            pictures = [image(number) for number in range(count)]
            with batcher.admit([each.task for each in tasks], count) as ticket:
                await ticket.run([(each, picture) for picture in pictures for each in tasks])
        assert batcher.batch_limit == 4  # four images take 0.05 seconds, however many rows they are
