"""Single flight: work that several callers wait for is done once, in threads of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from facet_vision.service.errors import TooManyMisses
from facet_vision.service.residency.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


@pytest.fixture
def single_flight() -> Iterator[SingleFlight]:
    single_flight = SingleFlight("test", threads=1, limit=4)
    yield single_flight
    single_flight.close()


class Gate:
    """Work that waits for `go`, and counts how often it was done."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        self.begun.set()
        assert self.go.wait(10)
        return self.times


async def plain(work: Awaitable[int]) -> int:
    return await work


async def entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.begun.wait, 10)


def spawn(single_flight: SingleFlight, key: str, work: Callable[[], int]) -> "asyncio.Task[int]":
    return asyncio.ensure_future(single_flight.once(key, work, plain))


async def test_all_callers_share_the_work_under_way(single_flight: SingleFlight) -> None:
    gate, finished = Gate(), list[int]()

    async def finish(work: Awaitable[int]) -> int:
        finished.append(await work)
        return finished[-1] * 10

    asking = [asyncio.ensure_future(single_flight.once("a", gate, finish)) for _ in range(5)]
    await entered(gate)
    gate.go.set()
    assert await asyncio.gather(*asking) == [10] * 5
    assert (gate.times, finished) == (1, [1])
    # It is done, so the next caller starts new work.
    assert await single_flight.once("a", gate, finish) == 20


async def test_all_callers_get_its_failure(single_flight: SingleFlight) -> None:
    def fail() -> int:
        raise ValueError("broken")

    outcomes = await asyncio.gather(
        *(spawn(single_flight, "a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["broken"] * 3
    assert await single_flight.once("a", lambda: 7, plain) == 7


async def test_a_caller_that_leaves_does_not_cancel_the_work_for_another(
    single_flight: SingleFlight,
) -> None:
    gate = Gate()
    first, second = spawn(single_flight, "a", gate), spawn(single_flight, "a", gate)
    await entered(gate)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    gate.go.set()
    assert await second == 1


async def test_work_without_callers_is_dropped_before_it_begins_and_finished_after(
    single_flight: SingleFlight,
) -> None:
    gate, waiting, finished = Gate(), Gate(), asyncio.Event()

    async def finish(work: Awaitable[int]) -> int:
        finished.set() if await work else None
        return 0

    begun = asyncio.ensure_future(single_flight.once("a", gate, finish))
    await entered(gate)
    queued = spawn(single_flight, "b", waiting)
    await asyncio.sleep(0)
    for task in (begun, queued):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    again = spawn(single_flight, "b", lambda: 5)  # new work, not the cancelled one
    gate.go.set()
    await asyncio.wait_for(finished.wait(), 10)
    assert await again == 5
    assert waiting.times == 0


async def test_the_limit_of_waiting_callers(single_flight: SingleFlight) -> None:
    with single_flight.reserve(3):
        assert single_flight.waiting == 3
        with (
            pytest.raises(TooManyMisses, match="room to wait for 2 tasks, found 1") as refused,
            single_flight.reserve(2),
        ):
            pass
        assert refused.value.retry_after == 1
        with single_flight.reserve(1):
            assert single_flight.waiting == 4
    assert single_flight.waiting == 0


async def test_retry_after_grows_with_the_work_under_way() -> None:
    ticks = iter(range(0, 10_000, 5))  # each piece of work takes five seconds by this clock
    single_flight = SingleFlight("test", threads=2, limit=0, clock=lambda: float(next(ticks)))
    for _ in range(30):
        await single_flight.once("a", lambda: 1, plain)
    gates = [Gate() for _ in range(8)]
    asking = [spawn(single_flight, str(number), gate) for number, gate in enumerate(gates)]
    await entered(gates[1])
    with pytest.raises(TooManyMisses) as refused, single_flight.reserve(1):
        pass
    assert refused.value.retry_after == 20  # eight pieces of five seconds in two threads
    for gate in gates:
        gate.go.set()
    await asyncio.gather(*asking)
    single_flight.close()
