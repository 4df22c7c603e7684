"""The last events of many tasks, found without putting all of them in order."""

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from facet_vision.prompts_store.events import Event, fold
from facet_vision.service.residency.recent import newest
from facet_vision.service.residency.registry import Entry

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(second: float, version: int = 1) -> Event:
    at = START + timedelta(seconds=second)
    return Event(event="publish", version=version, at=at, by="me", sha256="0" * 64, size=1)


def entry(name: str, *seconds: float) -> Entry:
    events = [event(second, number) for number, second in enumerate(seconds, start=1)]
    return Entry(name, fold(name, events, len(events)))


@pytest.mark.parametrize("limit", [1, 3, 10, 1000])
def test_they_are_the_last_of_all(limit: int) -> None:
    chance = random.Random(limit)
    entries = [
        entry(f"t{number}", *sorted(chance.random() * 1e6 for _ in range(chance.randrange(1, 9))))
        for number in range(100)
    ]
    every = [(each.name, one) for each in entries for one in each.state.events]  # type: ignore[union-attr]
    expected = sorted(every, key=lambda pair: pair[1].at, reverse=True)[:limit]
    assert newest(entries, limit, lambda _: True) == (expected, 0)


def test_only_what_may_be_seen_is_told_and_counted() -> None:
    entries = [entry("a", 1), entry("b", 3), Entry("c"), Entry("d"), entry("e")]
    found, unread = newest(entries, 9, lambda name: name in "ac")
    assert [(name, each.at) for name, each in found] == [("a", event(1).at)]
    assert unread == 1
    assert newest(entries, 9, lambda _: True)[1] == 2


def test_events_of_one_moment_stay_in_the_order_of_their_task() -> None:
    found, _ = newest([entry("a", 1, 1, 1)], 2, lambda _: True)
    assert [each.version for _, each in found] == [3, 2]


def test_a_hundred_thousand_tasks_take_a_fraction_of_a_second() -> None:
    shared = fold("t", [event(1), event(2, 2)], 2)
    entries = [Entry(f"t{number}", shared) for number in range(100_000)]
    begun = time.process_time()
    found, _ = newest(entries, 50, lambda _: True)
    assert len(found) == 50
    assert time.process_time() - begun < 2.0
