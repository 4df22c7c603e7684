"""The quota: bounded, and shared so that a busy task cannot crowd out other tasks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.service.engine.admission import Quota
from facet_vision.service.engine.fair_queue import WEIGHTS
from facet_vision.service.engine.rows import Priority


def fill(quota: Quota, task: str, priority: Priority = "normal") -> int:
    """Reserve single rows of a task until one is refused; return how many were reserved."""
    admitted = 0
    while quota.refusal([task], 1, priority) is None:
        quota.reserve([task], 1)
        admitted += 1
    return admitted


def test_a_hot_task_leaves_room_for_other_tasks() -> None:
    quota = Quota(500)
    assert fill(quota, "hot") == 400
    assert (
        quota.refusal(["hot"], 1, "normal")
        == "queue: expected task 'hot' to hold at most 400 rows now, found 400"
    )
    for number in range(100):
        assert quota.refusal([f"quiet{number}"], 1, "normal") is None
        quota.reserve([f"quiet{number}"], 1)


def test_when_free_rows_get_scarce_low_is_refused_first_and_high_last() -> None:
    assert [fill(Quota(500), "hot", priority) for priority in WEIGHTS] == [471, 400, 250]
    quota = Quota(500)
    assert fill(quota, "hot", "low") < fill(quota, "hot", "normal") + 250
    assert quota.refusal(["hot"], 1, "low") is not None
    assert quota.refusal(["hot"], 1, "normal") is not None
    assert quota.refusal(["hot"], 1, "high") is None


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_a_small_quota_can_be_used_to_its_last_row(limit: int) -> None:
    assert fill(Quota(limit), "only") >= limit - 1


def test_a_request_is_admitted_whole_or_not_at_all() -> None:
    quota = Quota(10)
    assert quota.refusal(["a", "b"], 5, "normal") is None
    quota.reserve(["a", "b"], 5)
    assert quota.reserved == 10
    assert quota.refusal([], 1, "high") == "queue: expected room for 1 rows, found 0"
    quota.release(["a", "b"], 5)
    assert (
        quota.refusal(["a", "b", "c"], 4, "normal") == "queue: expected room for 12 rows, found 10"
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
def test_never_more_than_the_limit_and_an_idle_task_is_admitted_while_there_is_room(
    requests: list[tuple[list[str], int, Priority, bool]], limit: int
) -> None:
    quota = Quota(limit)
    held: list[tuple[list[str], int]] = []
    for tasks, images, priority, leave in requests:
        if leave and held:
            quota.release(*held.pop(0))
        if quota.refusal(tasks, images, priority) is None:
            quota.reserve(tasks, images)
            held.append((tasks, images))
        assert quota.reserved == sum(images * len(tasks) for tasks, images in held) <= limit
        assert (quota.refusal(["idle"], 1, "low") is None) == (quota.reserved < limit)
    for request in held:
        quota.release(*request)
    assert fill(quota, "anew") == fill(Quota(limit), "anew")  # nothing of the past is left
