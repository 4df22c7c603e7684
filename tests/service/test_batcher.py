"""The batcher with an engine that the tests hold in their hands."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import torch
from service_parts import small_backbone, task_file
from torch import Tensor

from backbone import Prefix
from service.bank import Resident
from service.batcher import Batcher, BatchReport
from service.engine import Group
from service.errors import DeadlineUnreachable, Draining, ForwardFailed, Overloaded
from service.rows import Answer

pytestmark = pytest.mark.anyio

SMALL = small_backbone()


def resident(task: str, version: int = 1) -> Resident:
    file = task_file(SMALL, task)
    return Resident(file.manifest, version, Prefix(), file.head)


def image(number: float) -> Tensor:
    return torch.full((1,), float(number))


class HeldEngine:
    """Answers each image with itself; waits at a gate before every batch, and keeps what it was given."""

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
    """Occupy the engine with one row of another task, then let the requests queue up in their order."""
    tasks = [asyncio.create_task(ask(batcher, (resident("first"), 0.0)))]
    await engine.wait_until_entered()
    for rows in requests:
        tasks.append(asyncio.create_task(ask(batcher, *rows)))
        await asyncio.sleep(0)
    return tasks


def values(answers: Sequence[Answer]) -> list[float]:
    return [answer.scores.item() for answer in answers]


async def test_every_row_gets_its_own_answer_in_the_order_asked() -> None:
    birds, cars = resident("birds"), resident("cars")
    async with running(HeldEngine(open_gate=True), max_batch=3) as batcher:
        asked = [[(birds, n), (cars, n + 0.25), (birds, n + 0.5)] for n in range(20)]
        answers = await asyncio.gather(*(ask(batcher, *rows) for rows in asked))
    assert [values(answer) for answer in answers] == [[number for _, number in rows] for rows in asked]


async def test_takes_what_waits_up_to_the_maximum() -> None:
    engine, birds = HeldEngine(), resident("birds")
    async with running(engine, max_batch=4) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(birds, n)] for n in range(6)])
        engine.gate.release(10)
        await asyncio.gather(*tasks)
    assert engine.batches == [[("first", 1)], [("birds", 4)], [("birds", 2)]]


async def test_tasks_take_turns() -> None:
    engine, busy, quiet, third = HeldEngine(), resident("busy"), resident("quiet"), resident("third")
    async with running(engine, max_batch=4) as batcher:
        crowd = [[(busy, n)] for n in range(9)]
        tasks = await ask_while_busy(batcher, engine, [*crowd, [(quiet, 1.0)], [(third, 1.0)], [(third, 2.0)]])
        engine.gate.release(10)
        await asyncio.gather(*tasks)
    # quiet and third came last and yet leave with the first batch; third's second row takes its turn in the next
    assert engine.batches[1] == [("busy", 2), ("quiet", 1), ("third", 1)]
    assert engine.batches[2] == [("third", 1), ("busy", 3)]


async def test_rows_of_two_versions_share_a_batch_but_not_a_group() -> None:
    engine, old, new = HeldEngine(), resident("birds", 1), resident("birds", 2)
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(old, 1.0)], [(new, 2.0)], [(old, 3.0)]])
        engine.gate.release(10)
        await asyncio.gather(*tasks)
    assert engine.batches[1] == [("birds", 2), ("birds", 1)]


async def test_admission_is_all_or_nothing_and_ends_with_the_answer() -> None:
    engine = HeldEngine()
    async with running(engine, queue_limit=3) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), 1.0)]])
        with pytest.raises(Overloaded, match="expected room for 2 rows, found 1") as refused:
            batcher.admit(["birds"], 2)
        assert refused.value.retry_after >= 1
        with batcher.admit(["birds"], 1):
            assert batcher.admitted == 3
        assert batcher.admitted == 2
        engine.gate.release(10)
        await asyncio.gather(*tasks)
        assert batcher.admitted == 0


async def test_an_admission_that_never_runs_gives_its_places_back() -> None:
    async with running(HeldEngine(), queue_limit=1) as batcher:
        with pytest.raises(ValueError, match="bad image"), batcher.admit(["birds"], 1):
            raise ValueError("bad image")
        assert batcher.admitted == 0


async def test_rows_of_a_client_that_left_never_reach_the_engine() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("gone"), 1.0)] * 2, [(resident("here"), 2.0)]])
        tasks[1].cancel()
        await asyncio.sleep(0)
        assert batcher.queued == 1  # gone at once, not when their turn comes
        engine.gate.release(10)
        assert values(await tasks[2]) == [2.0]
        assert batcher.admitted == 0
    assert engine.batches == [[("first", 1)], [("here", 1)]]


async def test_a_batch_of_abandoned_rows_only_is_no_batch() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("gone"), 1.0)]])
        tasks[1].cancel()
        await asyncio.sleep(0)
        engine.gate.release(10)
        await tasks[0]
        assert values(await ask(batcher, (resident("next"), 3.0))) == [3.0]
    assert engine.batches == [[("first", 1)], [("next", 1)]]


async def test_a_failing_task_fails_alone() -> None:
    engine, good, bad = HeldEngine(), resident("good"), resident("bad")
    engine.broken = lambda groups: any(resident.task == "bad" for resident, _ in groups)
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(good, 1.0)], [(bad, 2.0)], [(good, 3.0)]])
        engine.gate.release(10)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [values(result) for result in (results[1], results[3]) if isinstance(result, list)] == [[1.0], [3.0]]
        assert isinstance(results[2], ForwardFailed)
        assert "task 'bad'" in str(results[2])
        assert "RuntimeError" in str(results[2])
        assert "on fire" not in str(results[2])
        assert values(await ask(batcher, (good, 4.0))) == [4.0]
        assert batcher.alive
    assert engine.batches[1:4] == [[("good", 2), ("bad", 1)], [("good", 2)], [("bad", 1)]]


async def test_a_request_over_a_failing_and_a_sound_task_fails_once() -> None:
    engine, good, bad = HeldEngine(open_gate=True), resident("good"), resident("bad")
    engine.broken = lambda groups: any(resident.task == "bad" for resident, _ in groups)
    async with running(engine, max_batch=1) as batcher:
        with pytest.raises(ForwardFailed, match="bad"):
            await ask(batcher, (bad, 1.0), (good, 2.0), (bad, 3.0))
        assert batcher.admitted == 0


async def test_drain_finishes_what_was_admitted_and_refuses_the_rest() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), n)] for n in range(9)])
        draining = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0.01)
        with pytest.raises(Draining, match="shutting down"):
            batcher.admit(["birds"], 1)
        assert not draining.done()
        engine.gate.release(10)
        await draining
        assert [values(await task) for task in tasks[1:]] == [[float(n)] for n in range(9)]
        assert not batcher.alive


async def test_a_request_admitted_but_not_yet_queued_is_finished_too() -> None:
    async with running(HeldEngine(open_gate=True)) as batcher:
        with batcher.admit(["birds"], 1) as ticket:
            draining = asyncio.create_task(batcher.drain())
            await asyncio.sleep(0.01)
            assert values(await ticket.run([(resident("birds"), image(7))])) == [7.0]
        await draining


async def test_calls_run_between_batches_and_their_errors_come_back() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), 1.0)]])
        called = asyncio.create_task(batcher.call(threading.current_thread))
        await asyncio.sleep(0.01)
        assert not called.done()
        engine.gate.release(1)
        assert (await called).name == "facet-engine"
        engine.gate.release(10)
        await asyncio.gather(*tasks)
        with pytest.raises(ZeroDivisionError):
            await batcher.call(lambda: 1 / 0)
        assert batcher.alive


async def test_reports_say_why_a_batch_left_and_what_it_cost() -> None:
    reports: list[BatchReport] = []
    engine, birds, cars = HeldEngine(), resident("birds"), resident("cars")
    async with running(engine, max_batch=3, observe=reports.append) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(birds, 1.0)], [(cars, 2.0)], [(birds, 3.0)]])
        engine.gate.release(10)
        await asyncio.gather(*tasks)
        answers = await ask(batcher, (birds, 4.0))
    assert [(report.rows, report.tasks, report.full) for report in reports] == [
        (1, 1, False),
        (3, 2, True),
        (1, 1, False),
    ]
    assert answers[0].forward_seconds == reports[2].forward_seconds > 0
    assert answers[0].queue_seconds == reports[2].queue_seconds[0] >= 0


async def test_nothing_holds_a_resident_once_it_is_answered() -> None:
    async with running(HeldEngine(open_gate=True)) as batcher:
        old = resident("birds")
        left = weakref.ref(old)
        await ask(batcher, (old, 1.0))
        del old
        # the engine's thread may still be on its way out of the batch
        for _ in range(100):
            gc.collect()
            if left() is None:
                break
            await asyncio.sleep(0.01)
        assert left() is None


# Pace, priority, deadlines.


class TimedEngine(HeldEngine):
    """An engine whose forwards take the time that they are told, by a clock of its own."""

    def __init__(self, fixed: float, each: float) -> None:
        super().__init__(open_gate=True)
        self.now, self.fixed, self.each = 0.0, fixed, each

    def clock(self) -> float:
        return self.now

    def __call__(self, groups: Sequence[Group]) -> list[Tensor]:
        self.now += self.fixed + self.each * sum(len(images) for _, images in groups)
        return super().__call__(groups)

    @property
    def sizes(self) -> list[int]:
        return [sum(rows for _, rows in batch) for batch in self.batches]


async def learn(batcher: Batcher, engine: HeldEngine) -> None:
    """Let it see forwards of one to three rows, and forget what they were."""
    for rows in (1, 2, 3) * 5:
        await ask(batcher, *[(resident("birds"), float(number)) for number in range(rows)])
    engine.batches.clear()
    engine.entered = threading.Semaphore(0)


async def test_batches_stay_within_the_latency_target() -> None:
    engine = TimedEngine(fixed=0.010, each=0.010)
    async with running(engine, max_batch=16, latency_target=0.0501, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        assert batcher.batch_limit == 4
        engine.gate = threading.Semaphore(0)
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), n)] for n in range(30)])
        engine.gate.release(1000)
        await asyncio.gather(*tasks)
    assert max(engine.sizes) == 4
    assert sum(engine.sizes) == 31


async def test_without_a_target_batches_grow_as_far_as_that_is_of_use() -> None:
    engine = TimedEngine(fixed=0.001, each=0.100)
    async with running(engine, max_batch=16, clock=engine.clock) as batcher:
        assert batcher.batch_limit == 16
        await learn(batcher, engine)
        assert batcher.batch_limit == 4


async def test_nothing_is_held_back_for_a_fuller_batch() -> None:
    engine = TimedEngine(fixed=0.010, each=0.001)
    async with running(engine, max_batch=16, latency_target=1.0, clock=engine.clock) as batcher:
        for _ in range(3):
            await ask(batcher, (resident("birds"), 1.0))
    assert engine.sizes == [1, 1, 1]


async def test_a_forward_that_failed_teaches_nothing_about_costs() -> None:
    engine = TimedEngine(fixed=0.010, each=0.010)
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
                tasks.append(asyncio.create_task(ask(batcher, (resident(priority), number), priority=priority)))
        await asyncio.sleep(0)
        engine.gate.release(100)
        await asyncio.gather(*tasks)
    order = [task for ((task, _),) in engine.batches[1:]]
    assert order[:8] == ["high"] * 6 + ["normal"] * 2
    assert order.index("low") == 9  # a share, not what the others leave
    assert order[-1] == "low"


async def test_a_busy_task_is_refused_before_the_others_are() -> None:
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


async def test_check_says_what_admission_would_say_and_reserves_nothing() -> None:
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


async def test_the_time_to_come_back_is_the_time_that_the_admitted_take() -> None:
    engine = TimedEngine(fixed=1.0, each=0.5)
    async with running(engine, max_batch=4, queue_limit=16, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        with batcher.admit(["birds"], 13), pytest.raises(Overloaded) as refused:
            batcher.admit(["cars"], 4)
    assert refused.value.retry_after in (12, 13)  # four batches of 3 seconds


async def test_a_deadline_behind_too_much_work_is_refused_at_once() -> None:
    engine = TimedEngine(fixed=1.0, each=0.5)
    async with running(engine, max_batch=4, clock=engine.clock) as batcher:
        await learn(batcher, engine)
        engine.gate = threading.Semaphore(0)
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), n)] for n in range(8)])
        now = engine.now
        with pytest.raises(DeadlineUnreachable, match=r"within 5 seconds, found 6\S* seconds") as refused:
            batcher.admit(["birds"], 1, deadline=now + 5)
        assert refused.value.retry_after >= 1
        for terms in ({"deadline": now + 7}, {"priority": "high", "deadline": now + 5}):
            batcher.check(["birds"], 1, **terms)
        batcher.check(["quiet"], 1, deadline=now + 1)  # its turn comes in the next batch
        engine.gate.release(1000)
        await asyncio.gather(*tasks)
        batcher.check(["birds"], 1, deadline=engine.now)  # nothing waits: whether it is in time shows


async def test_rows_past_their_deadline_are_not_computed() -> None:
    engine = TimedEngine(fixed=1.0, each=0.0)
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


async def test_one_image_asked_of_tasks_without_prompts_counts_once() -> None:
    reports: list[BatchReport] = []
    bare = [resident(name) for name in "abc"]
    prompted = Resident(bare[0].manifest, 2, Prefix(torch.zeros(1, 1)), bare[0].head)
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
