"""When a line of progress is due, and what it says of speed."""

from facet_vision.common.pacing import LINE_SECONDS, Pace


def test_a_line_is_due_every_few_seconds() -> None:
    now = 0.0
    pace = Pace(100, 20, lambda: now)
    due = []
    for _ in range(10):
        now += LINE_SECONDS / 2
        due.append(pace.advance(5))
    assert due == [False, True] * 5
    assert pace.speed == 50 / (LINE_SECONDS * 5)  # the first 20 are an earlier process's
    assert pace.left() == "0:00:15 left"


def test_nothing_is_known_before_time_has_passed() -> None:
    pace = Pace(10, 0, lambda: 1.0)
    assert not pace.advance(3)
    assert (pace.speed, pace.left()) == (0.0, "time left unknown")
