"""A memory tier against a plain model: a list of names in the order of their last use."""

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from facet_vision.service.residency.lru import LruCache

NAMES = st.sampled_from("abcdef")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_longest_unused_leave_first() -> None:
    tier: LruCache[int] = LruCache(10)
    for name in "abc":
        tier.put(name, ord(name), 3)
    assert tier.get("a") == ord("a")  # a use
    assert tier.find("b") == ord("b")  # not a use
    tier.put("d", 0, 4)
    assert list(tier) == ["c", "a", "d"]
    assert tier.nbytes == 10


def test_a_value_that_fills_the_budget_stays_and_a_larger_one_evicts_nothing() -> None:
    tier: LruCache[str] = LruCache(10)
    tier.put("a", "small", 4)
    tier.put("b", "too large", 11)
    assert list(tier) == ["a"]
    tier.put("b", "just fits", 10)
    assert list(tier) == ["b"]
    tier.put("b", "too large again", 11)
    assert list(tier) == []  # what it would have replaced must not be found either
    assert tier.nbytes == 0


def test_an_eviction_reports_how_long_the_value_was_unused() -> None:
    clock, ages = Clock(), list[float]()
    tier: LruCache[str] = LruCache(2, evicted=ages.append, clock=clock)
    tier.put("a", "", 1)
    tier.put("b", "", 1)
    clock.now = 5.0
    tier.get("a")
    clock.now = 7.0
    tier.put("c", "", 2)
    assert ages == [7.0, 2.0]
    tier.put("c", "replaced", 2)
    tier.remove("c")
    tier.remove("c")
    assert ages == [7.0, 2.0]


class AgainstAList(RuleBasedStateMachine):
    """Any sequence of calls behaves as a list does in which a use moves a name to the end."""

    BUDGET = 12

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.ages: list[float] = []
        self.tier: LruCache[int] = LruCache(self.BUDGET, evicted=self.ages.append, clock=self.clock)
        self.model: list[tuple[str, int, int, float]] = []  # name, value, bytes, last use
        self.expected_ages: list[float] = []

    @rule(name=NAMES, value=st.integers(), size=st.integers(0, 15))
    def put(self, name: str, value: int, size: int) -> None:
        self.clock.now += 1
        self.tier.put(name, value, size)
        self.model = [held for held in self.model if held[0] != name]
        if size <= self.BUDGET:
            self.model.append((name, value, size, self.clock.now))
        while sum(size for _, _, size, _ in self.model) > self.BUDGET:
            self.expected_ages.append(self.clock.now - self.model.pop(0)[3])

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        self.clock.now += 1
        found = next((held for held in self.model if held[0] == name), None)
        assert self.tier.get(name) == (found[1] if found else None)
        if found:
            self.model.remove(found)
            self.model.append((*found[:3], self.clock.now))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        self.tier.remove(name)
        self.model = [held for held in self.model if held[0] != name]

    @invariant()
    def agree(self) -> None:
        assert list(self.tier) == [name for name, *_ in self.model]
        assert [self.tier.find(name) for name in self.tier] == [
            value for _, value, _, _ in self.model
        ]
        assert self.tier.nbytes == sum(size for _, _, size, _ in self.model) <= self.BUDGET
        assert len(self.tier) == len(self.model)
        assert all(
            (name in self.tier) == any(name == held[0] for held in self.model) for name in "abcdef"
        )
        assert self.ages == pytest.approx(self.expected_ages)


AgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_a_tier_behaves_like_a_list = AgainstAList.TestCase
