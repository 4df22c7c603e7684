"""Quota in the queue: bounded, and shared so that a busy task cannot keep the others out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.service.engine.admission import Quota
from facet_vision.service.engine.fair_queue import WEIGHTS
from facet_vision.service.engine.rows import Priority


def fill(places: Quota, task: str, priority: Priority = "normal") -> int:
    """Admit single rows of a task until one is refused; how many were."""
    admitted = 0
    while places.refusal([task], 1, priority) is None:
        places.take([task], 1)
        admitted += 1
    return admitted


def test_a_hot_task_leaves_room_for_the_others() -> None:
    places = Quota(500)
    assert fill(places, "hot") == 400
    assert (
        places.refusal(["hot"], 1, "normal")
        == "queue: expected task 'hot' to hold at most 400 rows now, found 400"
    )
    for number in range(100):
        assert places.refusal([f"quiet{number}"], 1, "normal") is None
        places.take([f"quiet{number}"], 1)


def test_when_places_get_scarce_low_is_refused_first_and_high_last() -> None:
    assert [fill(Quota(500), "hot", priority) for priority in WEIGHTS] == [471, 400, 250]
    places = Quota(500)
    assert fill(places, "hot", "low") < fill(places, "hot", "normal") + 250
    assert places.refusal(["hot"], 1, "low") is not None
    assert places.refusal(["hot"], 1, "normal") is not None
    assert places.refusal(["hot"], 1, "high") is None


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_a_small_queue_can_be_used_to_its_last_place(limit: int) -> None:
    assert fill(Quota(limit), "only") >= limit - 1


def test_a_request_is_let_in_whole_or_not_at_all() -> None:
    places = Quota(10)
    assert places.refusal(["a", "b"], 5, "normal") is None
    places.take(["a", "b"], 5)
    assert (places.taken, places.refusal([], 1, "high")) == (
        10,
        "queue: expected room for 1 rows, found 0",
    )
    places.give_back(["a", "b"], 5)
    assert (
        places.refusal(["a", "b", "c"], 4, "normal") == "queue: expected room for 12 rows, found 10"
    )


REQUESTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
        st.integers(1, 6),
        st.sampled_from(list(WEIGHTS)),
        st.booleans(),
    ),
    max_size=60,
)


@given(REQUESTS, st.integers(4, 40))
def test_never_more_than_the_limit_and_an_idle_task_gets_in_while_there_is_room(
    requests: list[tuple[list[str], int, Priority, bool]], limit: int
) -> None:
    places, held = Quota(limit), []
    for tasks, images, priority, leave in requests:
        if leave and held:
            places.give_back(*held.pop(0))
        if places.refusal(tasks, images, priority) is None:
            places.take(tasks, images)
            held.append((tasks, images))
        assert places.taken == sum(images * len(tasks) for tasks, images in held) <= limit
        assert (places.refusal(["idle"], 1, "low") is None) == (places.taken < limit)
    for request in held:
        places.give_back(*request)
    assert fill(places, "anew") == fill(Quota(limit), "anew")  # nothing of the past is left
