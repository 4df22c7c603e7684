"""After refusals, requests pass at the pace at which the engine makes room."""

from collections import Counter

from facet_vision.service.errors import Overloaded
from facet_vision.service.predictor.pace import AHEAD, Pace

ROWS = 100


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def full(retry_after: float = 4.0) -> Overloaded:
    return Overloaded("queue: expected room for 1 rows, found 0", retry_after)


def passing(pace: Pace, clock: Clock, seconds: float, *tasks: str) -> Counter[str]:
    """Ask for each task every millisecond; how many requests for each may pass."""
    passed: Counter[str] = Counter()
    for _ in range(round(seconds * 1000)):
        clock.now += 0.001
        passed.update(task for task in tasks if pace.refusal(task) is None)
    return passed


def test_before_a_refusal_all_pass() -> None:
    clock = Clock()
    assert passing(Pace(ROWS, 1, clock), clock, 0.5, "pets") == {"pets": 500}


def test_after_it_as_many_pass_as_the_engine_makes_room_for() -> None:
    clock = Clock()
    for workers in (1, 4):
        pace = Pace(ROWS, workers, clock)
        pace.refused("pets", full())
        most = 2 * AHEAD * ROWS / 4.0 / workers
        assert 0.9 * most <= passing(pace, clock, 2, "pets")["pets"] <= most + 3


def test_those_that_do_not_pass_get_the_same_refusal() -> None:
    clock = Clock()
    pace = Pace(ROWS, 1, clock)
    pace.refused("pets", full())
    assert pace.refusal("pets") is None
    while (found := pace.refusal("pets")) is None:  # what may be made up for
        pass
    assert (str(found), found.retry_after) == (str(full()), 4.0)


def test_refused_tasks_share_the_pace_and_others_pass() -> None:
    clock = Clock()
    pace = Pace(ROWS, 1, clock)
    for task in ("pets", "dogs"):
        pace.refused(task, full())
    passed = passing(pace, clock, 2, "pets", "dogs", "birds")
    assert passed["birds"] == 2000
    assert abs(passed["pets"] - passed["dogs"]) <= 1
    assert passed["pets"] + passed["dogs"] <= 2 * AHEAD * ROWS / 4.0 + 6


def test_it_ends_once_all_that_waited_is_answered() -> None:
    clock = Clock()
    pace = Pace(ROWS, 1, clock)
    pace.refused("pets", full())
    clock.now += 4.0
    assert passing(pace, clock, 0.1, "pets") == {"pets": 100}


def test_time_without_requests_is_made_up_for_by_few() -> None:
    clock = Clock()
    pace = Pace(ROWS, 1, clock)
    pace.refused("pets", full())
    clock.now += 3.0
    assert passing(pace, clock, 0.01, "pets")["pets"] <= 4


def test_tasks_that_nobody_asks_any_more_have_no_share() -> None:
    clock = Clock()
    pace = Pace(ROWS, 1, clock)
    for number in range(50):
        pace.refused(f"old-{number}", full())
    clock.now += 4.0
    pace.refused("pets", full())
    assert passing(pace, clock, 2, "pets")["pets"] >= 0.9 * 2 * AHEAD * ROWS / 4.0
