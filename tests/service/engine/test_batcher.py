"""The batcher with an engine that the tests control."""

import asyncio
import gc
import threading
import weakref

import pytest

from facet_vision.service.engine.batch import BatchReport
from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.errors import Draining, ForwardFailed, Overloaded
from tests.service.support.batcher import (
    HeldEngine,
    TimedEngine,
    ask,
    ask_while_busy,
    image,
    resident,
    running,
    values,
)

pytestmark = pytest.mark.anyio


async def test_every_row_gets_its_own_answer_in_the_order_asked() -> None:
    birds, cars = resident("birds"), resident("cars")
    async with running(HeldEngine(open_gate=True), max_batch=3) as batcher:
        asked = [[(birds, n), (cars, n + 0.25), (birds, n + 0.5)] for n in range(20)]
        answers = await asyncio.gather(*(ask(batcher, *rows) for rows in asked))
    assert [values(answer) for answer in answers] == [
        [number for _, number in rows] for rows in asked
    ]


async def test_takes_what_waits_up_to_the_maximum() -> None:
    engine, birds = HeldEngine(), resident("birds")
    async with running(engine, max_batch=4) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(birds, n)] for n in range(6)])
        engine.gate.release(10)
        await asyncio.gather(*tasks)
    assert engine.batches == [[("first", 1)], [("birds", 4)], [("birds", 2)]]


async def test_it_knows_which_tasks_run_and_which_wait() -> None:
    engine, birds, cars = HeldEngine(), resident("birds"), resident("cars")
    async with running(engine) as batcher:
        requests = [[(birds, 1.0)], [(cars, 2.0)], [(birds, 3.0)]]
        tasks = await ask_while_busy(batcher, engine, requests)
        assert batcher.running_tasks() == {"first"}
        assert batcher.waiting_tasks() == {"birds", "cars"}
        engine.gate.release(1)
        await engine.wait_until_entered()
        assert batcher.running_tasks() == {"birds", "cars"}
        assert batcher.waiting_tasks() == set()
        engine.gate.release(10)
        await asyncio.gather(*tasks)


async def test_tasks_take_turns() -> None:
    engine, busy, quiet, third = (
        HeldEngine(),
        resident("busy"),
        resident("quiet"),
        resident("third"),
    )
    async with running(engine, max_batch=4) as batcher:
        crowd = [[(busy, n)] for n in range(9)]
        tasks = await ask_while_busy(
            batcher, engine, [*crowd, [(quiet, 1.0)], [(third, 1.0)], [(third, 2.0)]]
        )
        engine.gate.release(10)
        await asyncio.gather(*tasks)
    # quiet and third arrived last, and wait only for what busy may be ahead of its share
    assert engine.batches[1:3] == [[("busy", 4)], [("busy", 1), ("quiet", 1), ("third", 2)]]


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
        assert refused.value.retry_after == 0  # nothing is known of the engine yet
        with batcher.admit(["birds"], 1):
            assert batcher.admitted == 3
        assert batcher.admitted == 2
        engine.gate.release(10)
        await asyncio.gather(*tasks)
        assert batcher.admitted == 0


async def test_an_admission_that_never_runs_releases_its_rows() -> None:
    async with running(HeldEngine(), queue_limit=1) as batcher:
        with pytest.raises(ValueError, match="bad image"), batcher.admit(["birds"], 1):
            raise ValueError("bad image")
        assert batcher.admitted == 0


async def test_rows_of_a_client_that_left_never_reach_the_engine() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(
            batcher, engine, [[(resident("gone"), 1.0)] * 2, [(resident("here"), 2.0)]]
        )
        tasks[1].cancel()
        await asyncio.sleep(0)
        assert batcher.queued == 1  # discarded at once, not when it would be served
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
        assert [
            values(result) for result in (results[1], results[3]) if isinstance(result, list)
        ] == [[1.0], [3.0]]
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


async def test_calls_run_between_batches_and_their_errors_reach_the_caller() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), 1.0)]])
        called = asyncio.create_task(batcher.call(threading.current_thread))
        await asyncio.sleep(0.01)
        assert not called.done()
        engine.gate.release(1)
        assert (await called).name == "facet-engine-0"
        engine.gate.release(10)
        await asyncio.gather(*tasks)
        with pytest.raises(ZeroDivisionError):
            await batcher.call(lambda: 1 / 0)
        assert batcher.alive


async def test_reports_say_why_a_batch_was_cut_and_what_it_cost() -> None:
    reports: list[BatchReport] = []
    engine, birds, cars = HeldEngine(), resident("birds"), resident("cars")
    async with running(engine, max_batch=3, observe=reports.append) as batcher:
        tasks = await ask_while_busy(
            batcher, engine, [[(birds, 1.0)], [(cars, 2.0)], [(birds, 3.0)]]
        )
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


async def test_two_workers_run_two_batches_at_once_and_share_what_waits() -> None:
    engine = HeldEngine()
    async with running(engine, workers=2, max_batch=8) as batcher:
        birds = resident("birds")
        first = [asyncio.create_task(ask(batcher, (birds, 1.0)))]
        await engine.wait_until_entered()
        first.append(asyncio.create_task(ask(batcher, (birds, 2.0))))
        await engine.wait_until_entered()  # though the first is still there
        later = [asyncio.create_task(ask(batcher, (birds, float(number)))) for number in range(6)]
        await asyncio.sleep(0)
        engine.gate.release(8)
        found = await asyncio.gather(*first)
        assert [values(answers) for answers in found] == [[1.0], [2.0]]
        assert [values(answers) for answers in await asyncio.gather(*later)] == [
            [float(n)] for n in range(6)
        ]
    assert sum(rows for batch in engine.batches for _, rows in batch) == 8


async def test_what_arrives_at_once_is_shared_between_the_workers_that_are_free() -> None:
    engine, birds = HeldEngine(), resident("birds")
    async with running(engine, workers=2, max_batch=8) as batcher:
        asking = asyncio.create_task(ask(batcher, *[(birds, float(number)) for number in range(6)]))
        for _ in range(2):
            await engine.wait_until_entered()
        engine.gate.release(2)
        await asking
    assert sorted(rows for batch in engine.batches for _, rows in batch) == [3, 3]


async def test_a_worker_is_prepared_before_it_works() -> None:
    prepared: list[str] = []
    batcher = Batcher(
        HeldEngine(),
        max_batch=1,
        queue_limit=1,
        workers=3,
        prepare=lambda: prepared.append(threading.current_thread().name),
    )
    batcher.start()
    assert sorted(prepared) == ["facet-engine-0", "facet-engine-1", "facet-engine-2"]
    assert batcher.alive
    await batcher.drain()
    assert not batcher.alive


async def test_a_call_takes_no_rows_from_another_worker() -> None:
    engine, held = HeldEngine(open_gate=True), threading.Event()
    async with running(engine, workers=2) as batcher:
        await ask(batcher, (resident("birds"), 1.0))
        call = asyncio.create_task(batcher.call(lambda: held.wait(10)))
        await asyncio.sleep(0)
        assert values(await ask(batcher, (resident("birds"), 2.0))) == [2.0]
        assert not call.done()
        held.set()
        assert await call


async def test_a_flood_of_calls_lets_batches_through() -> None:
    engine = HeldEngine()
    async with running(engine) as batcher:
        tasks = await ask_while_busy(batcher, engine, [[(resident("birds"), 1.0)]])
        order: list[str] = []
        tasks[1].add_done_callback(lambda _: order.append("batch"))
        calls = [asyncio.create_task(batcher.call(lambda: None)) for _ in range(5)]
        for number, call in enumerate(calls):
            call.add_done_callback(lambda _, number=number: order.append(f"call {number}"))
        await asyncio.sleep(0)
        engine.gate.release(10)
        await asyncio.gather(*tasks, *calls)
        await asyncio.sleep(0)
    assert order.index("batch") <= order.index("call 2")


async def test_the_share_of_a_worker_is_no_full_batch() -> None:
    reports: list[BatchReport] = []
    async with running(
        HeldEngine(open_gate=True), workers=2, max_batch=8, observe=reports.append
    ) as batcher:
        await ask(batcher, *[(resident(name), 1.0) for name in "abc"])
    assert sum(report.rows for report in reports) == 3
    assert not any(report.full for report in reports)


async def test_waits_count_the_images_that_are_computed() -> None:
    """A request for many tasks without prompts and one image is the work of one image."""
    engine = TimedEngine(fixed=0.0, per_image=1.0)
    async with running(engine, clock=engine.clock, queue_limit=41) as batcher:
        await ask(batcher, (resident("birds"), 1.0))
        engine.gate = threading.Semaphore(0)
        names = [f"task-{number}" for number in range(39)]
        tasks = await ask_while_busy(batcher, engine, [])
        picture = image(1.0)
        with batcher.admit(names, 1) as ticket:
            work = asyncio.create_task(ticket.run([(resident(name), picture) for name in names]))
            await asyncio.sleep(0)
            batcher.check(["birds"], 1, deadline=engine.now + 1.5)
            with batcher.admit(["birds"], 1):
                refusal = batcher.refusal("birds")
            assert refusal is not None
            assert refusal.retry_after < 5  # one batch of four is left to do, and not ten
            engine.gate.release(10)
            await asyncio.gather(work, *tasks)
