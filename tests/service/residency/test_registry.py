"""The registry: listings, histories and failures, in whatever order they arrive."""

import math

import pytest

from facet_vision.prompts_store import Store, open_store
from facet_vision.service.residency.registry import RETRY_SECONDS, Entry, Failure, Registry


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    for name in ("b", "a"):
        store.publish(name, b"one", by="x")
    return store


def test_a_listing_names_tasks_without_their_history(store: Store) -> None:
    registry = Registry()
    assert registry.note(store.heads()) == []
    assert registry.names() == ["a", "b"]
    assert len(registry) == 2
    assert registry.get("a") == Entry("a")
    assert registry.get("c") is None
    assert not registry.is_read("a")


def test_a_listing_names_the_known_histories_that_have_grown(store: Store) -> None:
    registry = Registry()
    registry.note(store.heads())
    registry.learn(store.state("a"))
    store.activate("a", 1, by="x")
    store.activate("b", 1, by="x")
    assert registry.note(store.heads()) == ["a"]  # b is read when a request needs it
    registry.learn(store.state("a"))
    assert registry.note(store.heads()) == []


def test_an_older_history_changes_nothing(store: Store) -> None:
    registry, old = Registry(), store.state("a")
    registry.learn(store.activate("a", 1, by="x"))
    assert registry.learn(old).live == 1
    assert registry.is_live("a")


def test_conditions(store: Store) -> None:
    registry = Registry()

    def condition() -> str:
        entry = registry.get("a")
        assert entry is not None
        return entry.condition

    registry.learn(store.state("a"))
    assert condition() == "unpublished"
    registry.learn(store.activate("a", 1, by="x"))
    assert condition() == "live"
    registry.fail("a", 2, "of another version", final=True)
    assert condition() == "live"
    registry.fail("a", 1, "broken", final=True)
    assert condition() == "unavailable"
    registry.succeed("a")
    assert condition() == "live"
    registry.fail("a", 1, "broken", final=True)
    registry.learn(store.retire("a", by="x"))
    assert condition() == "retired"


def test_a_failure_holds_for_a_while_and_a_final_one_for_good(store: Store) -> None:
    now = 0.0
    registry = Registry(lambda: now)
    registry.learn(store.activate("a", 1, by="x"))

    def current() -> Failure | None:
        entry = registry.get("a")
        assert entry is not None
        return registry.current_failure(entry)

    registry.fail("a", 1, "the store is away", final=False, passing=True)
    assert current() == Failure(1, "the store is away", RETRY_SECONDS, passing=True)
    now = RETRY_SECONDS
    assert current() is None
    registry.fail("a", 1, "broken", final=True)
    now = 1e9
    assert current() == Failure(1, "broken", math.inf)


def test_a_history_that_cannot_be_read_is_a_failure_of_no_version() -> None:
    registry = Registry()
    registry.note({"a": 3})
    registry.fail("a", None, "the store is away", final=False)
    entry = registry.get("a")
    assert entry is not None
    assert (entry.condition, entry.reason) == ("unavailable", "the store is away")
