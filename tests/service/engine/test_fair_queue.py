"""The fair queue: no row lost or served twice, tasks in turn, priorities by weight."""

from collections import Counter
from itertools import accumulate, cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from facet_vision.service.engine.fair_queue import (
    BURST_ROWS,
    LEAD_IMAGES,
    RECENT_IMAGES,
    WEIGHTS,
    FairQueue,
)
from facet_vision.service.engine.rows import Priority, Row
from tests.service.support.queue import row

TASKS = st.sampled_from("abcde")
PRIORITIES = st.sampled_from(list(WEIGHTS))


def filled(*rows: Row) -> FairQueue:
    queue = FairQueue()
    for each in rows:
        queue.push(each)
    return queue


def served(queue: FairQueue, images: int) -> list[Row]:
    """Return the rows of the next batch, which hold no twins."""
    return [only for (only,) in queue.take(images)]


def tasks(rows: list[Row]) -> str:
    return "".join(row.resident.task for row in rows)


class Traffic(RuleBasedStateMachine):
    """Arrivals, departures and batches in any order; a model counts the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue()
        self.waiting: list[Row] = []

    @rule(task=TASKS, priority=PRIORITIES, count=st.integers(1, 5))
    def arrive(self, task: str, priority: Priority, count: int) -> None:
        for _ in range(count):
            self.waiting.append(row(task, priority))
            self.queue.push(self.waiting[-1])

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.waiting:
            left = data.draw(st.sampled_from(self.waiting))
            self.waiting.remove(left)
            self.queue.discard(left)
            self.queue.discard(left)  # a second time changes nothing

    @rule(images=st.integers(1, 8))
    def batch(self, images: int) -> None:
        expected = min(images, len(self.waiting))
        taken = served(self.queue, images)
        assert len(taken) == expected
        for each in taken:
            self.waiting.remove(each)  # fails if it was lost before, or served before

    @invariant()
    def agrees(self) -> None:
        assert len(self.queue) == len(self.waiting)

    def teardown(self) -> None:
        self.batch(len(self.waiting) + 1)
        assert self.waiting == []


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=40, stateful_step_count=30)


@given(st.lists(TASKS, max_size=60), st.integers(1, 60))
def test_tasks_with_rows_waiting_are_served_alike(arrivals: list[str], images: int) -> None:
    queue = filled(*map(row, arrivals))
    counts = Counter(tasks(served(queue, images)))
    backlogged = [task for task, brought in Counter(arrivals).items() if counts[task] < brought]
    for task in backlogged:
        assert counts[task] >= max(counts.values()) - BURST_ROWS - 1


def test_what_exceeds_the_burst_waits_for_other_tasks() -> None:
    assert tasks(served(filled(*map(row, "aaaaaaabbc")), 100)) == "aaaaabbcaa"


def test_a_task_within_its_share_is_served_in_the_order_of_arrival() -> None:
    queue = filled(*map(row, "abcde"))
    served(queue, 5)
    for task in "aaabcd":
        queue.push(row(task))
    assert tasks(served(queue, 6)) == "aaabcd"


def test_the_service_of_a_task_is_remembered_when_it_returns() -> None:
    queue = filled(*map(row, "abcdefghij"))
    served(queue, 10)
    for brought, order in ("bbbbb", "bbbbb"), ("bbcc", "bccb"):
        for task in brought:
            queue.push(row(task))
        assert tasks(served(queue, 10)) == order


@given(st.integers(1, 20), st.integers(1, 200))
def test_a_quiet_task_beside_a_hot_one_waits_a_few_turns_however_long_the_other_queue(
    images: int, backlog: int
) -> None:
    queue = filled(*(row("hot") for _ in range(backlog)))
    served(queue, images)
    queue.push(row("quiet"))
    rows = [each.resident.task for each in served(queue, backlog)]
    assert rows.index("quiet") <= LEAD_IMAGES + (BURST_ROWS if images <= BURST_ROWS else 0)


@given(st.lists(st.tuples(st.lists(TASKS, max_size=8), st.integers(1, 6)), min_size=1, max_size=25))
def test_over_any_time_a_task_gets_at_most_the_burst_more_than_one_that_always_waits(
    batches: list[tuple[list[str], int]],
) -> None:
    queue, order = filled(*(row("always") for _ in range(200))), []
    for arrivals, images in batches:
        for task in arrivals:
            queue.push(row(task))
        order += [each.resident.task for each in served(queue, images)]
    for task in "abcde":
        lead = list(accumulate(((each == task) - (each == "always") for each in order), initial=0))
        least = accumulate(lead, min)
        assert max(now - before for now, before in zip(lead, least, strict=True)) <= BURST_ROWS + 2


@given(st.lists(TASKS, max_size=30), st.integers(0, 30), st.integers(1, 4))
def test_no_row_waits_for_ever_beside_any_flood(
    arrivals: list[str], images: int, rows: int
) -> None:
    queue = filled(*map(row, arrivals))
    served(queue, images)
    mine = [row("mine") for _ in range(rows)]
    for each in mine:
        queue.push(each)
    order: list[Row] = []
    while mine[-1] not in order:
        for task in "abcde":
            queue.push(row(task))
        order += served(queue, 1)
    assert len(order) <= rows + 5 * (LEAD_IMAGES + rows + BURST_ROWS + 1)


def test_a_task_counts_among_those_that_share_for_a_while() -> None:
    """The more tasks share, the slower time advances, and the sooner a new task is served."""
    queue = filled(
        *(row(f"once-{number}") for number in range(RECENT_IMAGES)),
        *(row("hot") for _ in range(3 * RECENT_IMAGES)),
    )
    served(queue, RECENT_IMAGES)
    for images, before in (RECENT_IMAGES // 2, 0), (RECENT_IMAGES, LEAD_IMAGES):
        served(queue, images)
        queue.push(row("quiet"))
        assert [each.resident.task for each in served(queue, LEAD_IMAGES + 1)].index(
            "quiet"
        ) == before


@given(st.lists(st.tuples(TASKS, st.booleans()), max_size=40))
def test_a_row_that_left_cost_its_task_nothing(arrivals: list[tuple[str, bool]]) -> None:
    rows = [(row(task), stays) for task, stays in arrivals]
    queue, without = (
        filled(*(each for each, _ in rows)),
        filled(*(each for each, stays in rows if stays)),
    )
    for each, stays in rows:
        if not stays:
            queue.discard(each)
    assert served(queue, 50) == served(without, 50)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 8))
def test_a_task_that_sends_a_few_rows_at_a_time_gains_nothing_by_it(
    images: int, others: int, rows: int
) -> None:
    queue = filled(*(row("a") for _ in range(150)))
    counts: Counter[str] = Counter()
    for _ in range(120 // images):
        for task in "bcde"[:others] * rows:
            queue.push(row(task))
        counts.update(tasks(served(queue, images)))
    assert counts["a"] >= max(counts.values()) - BURST_ROWS - 1


@settings(max_examples=20)
@given(st.integers(1, 80))
def test_priorities_with_rows_waiting_share_by_weight(images: int) -> None:
    queue = filled(*(row("a", priority) for priority in WEIGHTS for _ in range(70)))
    counts = Counter(each.ticket.priority for each in served(queue, images))
    for priority, weight in WEIGHTS.items():
        share = images * weight / sum(WEIGHTS.values())
        assert abs(counts[priority] - share) <= 2


def test_a_higher_priority_goes_first() -> None:
    queue = filled(row("a", "low"), row("b", "normal"), row("c", "high"))
    assert tasks(served(queue, 3)) == "cba"


@given(st.lists(st.sampled_from(["high", "normal"]), min_size=30, max_size=30))
def test_low_never_starves(arrivals: list[Priority]) -> None:
    """Before each image a request of higher priority arrives; the low one is still served."""
    queue, low = filled(row("a", "high"), row("a", "normal")), row("quiet", "low")
    queue.push(low)
    for served_before, priority in enumerate(arrivals):
        queue.push(row("busy", priority))
        if served(queue, 1) == [low]:
            assert served_before <= sum(WEIGHTS.values())
            return
    pytest.fail("never served")


def test_a_priority_saves_nothing_up_while_it_is_empty() -> None:
    queue = filled(*(row("a", "normal") for _ in range(100)))
    served(queue, 90)
    for _ in range(30):
        queue.push(row("b", "low"))
    assert Counter(tasks(served(queue, 10)))["b"] <= 3


@given(
    st.lists(st.tuples(TASKS, st.sampled_from(["stay", "leave", "serve"])), max_size=40),
    st.sets(TASKS, min_size=1),
    st.integers(1, 5),
)
def test_what_is_ahead_is_what_is_served_before(
    events: list[tuple[str, str]], asked: set[str], rows: int
) -> None:
    queue = FairQueue()
    for name, event in events:
        queue.push(arrived := row(name))
        if event == "leave":
            queue.discard(arrived)
        elif event == "serve":
            served(queue, 1)
    ahead = queue.ahead(asked, "normal", rows)
    mine = [row(task) for task in asked for _ in range(rows)]
    for each in mine:
        queue.push(each)
    order = served(queue, len(queue))
    last = max(map(order.index, mine))
    assert sum(each not in mine for each in order[:last]) == ahead


@given(st.lists(st.tuples(TASKS, PRIORITIES), max_size=60), TASKS, PRIORITIES)
def test_what_is_ahead_counts_the_shares_of_other_priorities(
    arrivals: list[tuple[str, Priority]], task: str, priority: Priority
) -> None:
    queue = filled(*(row(*arrival) for arrival in arrivals))
    ahead, mine = queue.ahead([task], priority), row(task, priority)
    queue.push(mine)
    assert ahead >= served(queue, len(queue)).index(mine) - 2


def test_rows_that_no_request_needs_are_dropped_and_take_no_room_in_the_batch() -> None:
    queue = filled(row("a", deadline=5.0), row("b", deadline=10.0), row("c"))
    assert ["".join(each.resident.task for each in rows) for rows in queue.take(2, now=7.0)] == [
        "b",
        "c",
    ]
    assert len(queue) == 0


def twins(*names: str, priority: Priority = "normal") -> list[Row]:
    rows = [row(name, priority) for name in names]
    for each in rows:
        each.twins = tuple(rows)
    return rows


def test_twins_are_served_together_at_the_cost_of_one() -> None:
    first, second, third = twins("a", "b", "c")
    queue = filled(row("b"), first, second, third, row("d"))
    passes = queue.take(3)
    assert [[each.resident.task for each in rows] for rows in passes] == [
        ["b"],
        ["a", "b", "c"],
        ["d"],
    ]
    assert len(queue) == 0


def test_a_twin_that_left_is_not_served() -> None:
    first, second, third = twins("a", "b", "c")
    queue = filled(first, second, third)
    queue.discard(second)
    assert queue.take(5) == [[first, third]]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.integers(1, 5))
def test_twins_are_served_once_each(sizes: list[int], images: int) -> None:
    rows = [twin for size in sizes for twin in twins(*islice(cycle("abc"), size))]
    queue, taken = filled(*rows), []
    while batch := queue.take(images):
        assert len(batch) <= images
        taken += [each for group in batch for each in group]
    assert sorted(map(id, taken)) == sorted(map(id, rows))
