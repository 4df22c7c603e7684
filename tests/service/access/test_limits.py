"""What a key may spend and hold."""

from contextlib import suppress
from typing import Any

import pytest

from facet_vision.service.access.key import Key, new_key
from facet_vision.service.access.limits import Limits
from facet_vision.service.errors import BodyTooLarge, TooManyRequests
from tests.service.support.keys import NOW


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(clock)


def key(name: str = "ci", **options: Any) -> Key:
    return new_key(name, ["infer"], NOW, **options)[0]


def spend(limits: Limits, of: Key, images: int) -> None:
    with limits.held(of, images):
        pass


def test_without_keys_or_limits_everything_is_admitted(limits: Limits) -> None:
    for each in (None, key()):
        limits.check(each, 10**6)
        with limits.held(each, 10**6):
            pass


def test_images_per_second(limits: Limits, clock: Clock) -> None:
    one = key(images_per_second=10)
    spend(limits, one, 7)
    spend(limits, one, 3)
    with pytest.raises(TooManyRequests, match="10 images per second, found 5 where 0") as caught:
        spend(limits, one, 5)
    error = caught.value
    assert error.retry_after == pytest.approx(0.5, abs=0.01)
    assert (error.policy, error.quota, error.window, error.remaining) == (
        *("images-per-second", 10, 1.0, 0),
    )
    clock.seconds += error.retry_after
    spend(limits, one, 5)
    spend(limits, key("other", images_per_second=10), 10)  # each key has an account of its own


@pytest.mark.parametrize("rate", [0.5, 3, 7.3, 1000])
def test_over_time_it_is_the_rate(limits: Limits, clock: Clock, rate: float) -> None:
    one, admitted = key(images_per_second=rate), 0
    for _ in range(4000):  # four times as many as it allows
        clock.seconds += 0.25 / rate
        with suppress(TooManyRequests):
            spend(limits, one, 1)
            admitted += 1
    first = one.bucket or 0
    assert 990 <= admitted - first <= 1001


def test_a_burst_may_exceed_a_second(limits: Limits) -> None:
    spend(limits, key(images_per_second=1, burst=50), 50)


def test_what_can_never_be_admitted_is_too_large(limits: Limits) -> None:
    for options in ({"images_per_second": 2.5}, {"images_at_once": 3}):
        limits.check(key(**options), 3)
        for ask in (limits.check, lambda one, images: spend(limits, one, images)):
            with pytest.raises(
                BodyTooLarge, match="at most 3 images x tasks in a request, found 4"
            ):
                ask(key(**options), 4)


def test_images_at_once(limits: Limits) -> None:
    one = key(images_at_once=4)
    with limits.held(one, 3):
        limits.check(one, 1)
        with pytest.raises(TooManyRequests, match="at most 4 images at once, found 2 where 1"):
            spend(limits, one, 2)
        with pytest.raises(TooManyRequests) as caught:
            limits.check(one, 2)
        assert (caught.value.policy, caught.value.window) == ("images-at-once", 0.0)
    spend(limits, one, 4)


def test_a_refused_request_spends_nothing(limits: Limits) -> None:
    one = key(images_per_second=10, images_at_once=5)
    with limits.held(one, 5), pytest.raises(TooManyRequests, match="at once"):
        spend(limits, one, 5)
    limits.check(one, 5)
    spend(limits, one, 5)


def test_a_changed_limit_holds_at_once(limits: Limits) -> None:
    spend(limits, key(images_per_second=100), 100)
    with pytest.raises(TooManyRequests):
        spend(limits, key(images_per_second=1), 1)
