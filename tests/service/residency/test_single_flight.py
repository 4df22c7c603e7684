"""Work that many wait for and that is done once, in threads of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from facet_vision.service.errors import TooManyMisses
from facet_vision.service.residency.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


@pytest.fixture
def flights() -> Iterator[SingleFlight]:
    flights = SingleFlight("test", threads=1, limit=4)
    yield flights
    flights.close()


class Gate:
    """Work that waits until it is let go, and counts how often it was done."""

    def __init__(self) -> None:
        self.begun, self.go, self.times = threading.Event(), threading.Event(), 0

    def __call__(self) -> int:
        self.times += 1
        self.begun.set()
        assert self.go.wait(10)
        return self.times


async def plain(work: Awaitable[int]) -> int:
    return await work


async def entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.begun.wait, 10)


def spawn(flights: SingleFlight, key: str, work: Callable[[], int]) -> "asyncio.Task[int]":
    return asyncio.ensure_future(flights.once(key, work, plain))


async def test_all_who_ask_while_it_runs_share_it(flights: SingleFlight) -> None:
    gate, landed = Gate(), list[int]()

    async def land(work: Awaitable[int]) -> int:
        landed.append(await work)
        return landed[-1] * 10

    asking = [asyncio.ensure_future(flights.once("a", gate, land)) for _ in range(5)]
    await entered(gate)
    gate.go.set()
    assert await asyncio.gather(*asking) == [10] * 5
    assert (gate.times, landed) == (1, [1])
    assert await flights.once("a", gate, land) == 20  # over: the next one begins anew


async def test_all_who_wait_get_its_failure(flights: SingleFlight) -> None:
    def fail() -> int:
        raise ValueError("broken")

    outcomes = await asyncio.gather(
        *(spawn(flights, "a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["broken"] * 3
    assert await flights.once("a", lambda: 7, plain) == 7


async def test_one_who_leaves_takes_nothing_from_the_others(flights: SingleFlight) -> None:
    gate = Gate()
    first, second = spawn(flights, "a", gate), spawn(flights, "a", gate)
    await entered(gate)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    gate.go.set()
    assert await second == 1


async def test_work_that_nobody_waits_for_is_dropped_before_it_begins_and_finished_after(
    flights: SingleFlight,
) -> None:
    gate, waiting, landed = Gate(), Gate(), asyncio.Event()

    async def land(work: Awaitable[int]) -> int:
        landed.set() if await work else None
        return 0

    begun = asyncio.ensure_future(flights.once("a", gate, land))
    await entered(gate)
    queued = spawn(flights, "b", waiting)
    await asyncio.sleep(0)
    for task in (begun, queued):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    again = spawn(flights, "b", lambda: 5)  # not caught up in the cancellation
    gate.go.set()
    await asyncio.wait_for(landed.wait(), 10)
    assert await again == 5
    assert waiting.times == 0


async def test_so_many_may_wait_and_no_more(flights: SingleFlight) -> None:
    with flights.waiters(3):
        assert flights.waiting == 3
        with (
            pytest.raises(TooManyMisses, match="room to wait for 2 tasks, found 1") as refused,
            flights.waiters(2),
        ):
            pass
        assert refused.value.retry_after == 1
        with flights.waiters(1):
            assert flights.waiting == 4
    assert flights.waiting == 0


async def test_the_time_to_come_back_grows_with_the_queue() -> None:
    ticks = iter(range(0, 10_000, 5))  # each piece of work takes five seconds by this clock
    flights = SingleFlight("test", threads=2, limit=0, clock=lambda: float(next(ticks)))
    for _ in range(30):
        await flights.once("a", lambda: 1, plain)
    gates = [Gate() for _ in range(8)]
    asking = [spawn(flights, str(number), gate) for number, gate in enumerate(gates)]
    await entered(gates[1])
    with pytest.raises(TooManyMisses) as refused, flights.waiters(1):
        pass
    assert refused.value.retry_after == 20  # eight pieces of five seconds in two threads
    for gate in gates:
        gate.go.set()
    await asyncio.gather(*asking)
    flights.close()
