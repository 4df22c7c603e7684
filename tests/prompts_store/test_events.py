"""The state that events add up to."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store import Event
from facet_vision.prompts_store.events import fold

START = datetime(2025, 1, 1, tzinfo=UTC)


def event(kind: str, version: int, number: int) -> Event:
    """An event that differs in every field from one of another number."""
    fields: dict[str, Any] = {
        "event": kind,
        "version": version,
        "at": START + timedelta(seconds=number),
        "by": f"writer {number}",
        "sha256": f"{number:064x}",
        "size": number,
    }
    return Event(**fields)


def test_what_was_published_first_under_a_number_stays() -> None:
    events = [event("publish", 1, 1), event("publish", 2, 2), event("publish", 1, 3)]
    first, second = fold("flowers", events, 3).versions
    assert (first.number, first.sha256, first.size, first.at, first.by) == (
        1,
        f"{1:064x}",
        1,
        START + timedelta(seconds=1),
        "writer 1",
    )
    assert (second.number, second.by) == (2, "writer 2")


KINDS = st.sampled_from(["publish", "activate", "retire"])


@given(st.lists(st.tuples(KINDS, st.integers(1, 4)), max_size=12))
def test_versions_never_change_and_the_last_word_says_what_is_live(
    given_events: list[tuple[str, int]],
) -> None:
    events = [event(kind, version, number) for number, (kind, version) in enumerate(given_events)]
    states = [fold("flowers", events[:head], head) for head in range(len(events) + 1)]
    for before, after in pairwise(states):
        known = {version.number: version for version in after.versions}
        assert all(known[version.number] == version for version in before.versions)
    last = states[-1]
    assert [version.number for version in last.versions] == sorted(
        {version for kind, version in given_events if kind == "publish"}
    )
    words = [(kind, version) for kind, version in given_events if kind != "publish"]
    assert last.live == (words[-1][1] if words and words[-1][0] == "activate" else None)
    assert last.events == tuple(events)
