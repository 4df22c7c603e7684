"""Latencies of tasks in simulated time: real quota, queue and sizer, an engine of known cost."""

import random
from collections import defaultdict

import pytest

from facet_vision.service.engine.admission import Quota
from facet_vision.service.engine.batch_size import BatchSizer
from facet_vision.service.engine.fair_queue import FairQueue
from tests.service.support.queue import row

FIXED_SECONDS, IMAGE_SECONDS = 0.010, 0.080  # a base-size transformer on a small processor
CAPACITY = 1 / IMAGE_SECONDS
QUIET, HOT_FACTOR = 20, 20
TARGET_SECONDS = 2 * (FIXED_SECONDS + IMAGE_SECONDS)


class Simulation:
    """Poisson arrivals for each task, at its rate per second."""

    def __init__(self, rates: dict[str, float], seconds: float) -> None:
        self._arrivals = sorted(
            (time, task)
            for task, rate in rates.items()
            for time in _poisson(random.Random(task), rate, seconds)
        )
        self._quota = Quota(200)
        self._queue = FairQueue()
        self._sizer = BatchSizer(32, TARGET_SECONDS)
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.refused: dict[str, int] = defaultdict(int)
        now = 0.0
        while self._arrivals or len(self._queue):
            now = self._batch(now)

    def _batch(self, now: float) -> float:
        if not len(self._queue):
            now = max(now, self._arrivals[0][0])
        self._admit(now)
        rows = [only for (only,) in self._queue.take(self._sizer.next_limit())]
        seconds = (FIXED_SECONDS + IMAGE_SECONDS * len(rows)) if rows else 0.0
        self._admit(now + seconds)  # what arrives while the engine runs
        for each in rows:
            self._quota.release(each.ticket.tasks, 1)
            self.latencies[each.resident.task].append(now + seconds - each.queued)
        if rows:
            self._sizer.observe(len(rows), seconds)
        return now + seconds

    def _admit(self, until: float) -> None:
        while self._arrivals and self._arrivals[0][0] <= until:
            time, task = self._arrivals.pop(0)
            if self._quota.refusal([task], 1, "normal"):
                self.refused[task] += 1
                continue
            self._quota.reserve([task], 1)
            arrived = row(task)
            arrived.queued = time
            self._queue.push(arrived)

    def quiet_p99(self) -> float:
        quiet = sorted(
            seconds for task, all_ in self.latencies.items() if task != "hot" for seconds in all_
        )
        return quiet[int(0.99 * len(quiet))]


def _poisson(noise: random.Random, rate: float, seconds: float) -> list[float]:
    times = [noise.expovariate(rate)]
    while times[-1] < seconds:
        times.append(times[-1] + noise.expovariate(rate))
    return times[:-1]


@pytest.mark.parametrize("load", [0.6, 0.9, 1.2])
def test_the_p99_of_quiet_tasks_beside_a_hot_task_is_at_most_twice_what_it_is_without(
    load: float,
) -> None:
    """Above a load of 1 the hot task exceeds the capacity: it is refused, other tasks are not."""
    rate = load * CAPACITY / (QUIET + HOT_FACTOR)
    rates = {f"quiet{number}": rate for number in range(QUIET)}
    without = Simulation(rates, seconds=200)
    beside = Simulation(rates | {"hot": HOT_FACTOR * rate}, seconds=200)
    assert beside.quiet_p99() <= 2 * without.quiet_p99()
    assert set(beside.refused) <= {"hot"}
    assert (load > 1) == ("hot" in beside.refused)


@pytest.mark.parametrize("clients", [32, 64])
def test_with_equal_load_of_all_tasks_the_p99_stays_near_the_median(clients: int) -> None:
    """Each client asks a random task as soon as it is answered.

    With strict turns the p99 would be three to five times the median.
    """
    noise = random.Random(0)
    queue = FairQueue()
    sizer = BatchSizer(32)
    now = 0.0
    latencies: list[float] = []
    waiting = clients
    for _ in range(400):
        for _ in range(waiting):
            arrived = row(f"task{noise.randrange(QUIET)}")
            arrived.queued = now
            queue.push(arrived)
        rows = [only for (only,) in queue.take(sizer.next_limit())]
        now, waiting = now + FIXED_SECONDS + IMAGE_SECONDS * len(rows), len(rows)
        latencies += [now - each.queued for each in rows]
        sizer.observe(len(rows), FIXED_SECONDS + IMAGE_SECONDS * len(rows))
    p50, p99 = (sorted(latencies)[int(share * len(latencies))] for share in (0.5, 0.99))
    assert p99 <= 2 * p50
