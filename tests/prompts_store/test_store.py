"""What a store promises, wherever it lies."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from facet_vision.prompts_store import (
    DamagedObject,
    Event,
    InvalidTaskName,
    Store,
    StoreConflict,
    StoreError,
    TaskNotFound,
    TaskNotLive,
    VersionNotFound,
)
from facet_vision.prompts_store.keys import Key, Kind
from facet_vision.prompts_store.storage.objects import Objects

OpenLocation = Callable[[], Objects]
KINDS: tuple[Kind, Kind] = ("versions", "events")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def paths(objects: Objects) -> list[str]:
    """The paths of all objects of a store."""
    return sorted(key.path for kind in KINDS for key in objects.keys(kind))


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.tasks() == []
    assert store.heads() == {}


def test_publish_is_not_live_until_activated(store: Store) -> None:
    version = store.publish("flowers", b"one", by="ada")
    assert (version.number, version.sha256, version.size, version.by) == (
        1,
        sha256(b"one"),
        3,
        "ada",
    )
    assert version.at == datetime(2025, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert store.state("flowers").live is None
    assert store.activate("flowers", 1, by="bob").live == 1
    assert store.state("flowers").live == 1


def test_history_tells_everything(store: Store, open_location: OpenLocation) -> None:
    store.publish("flowers", b"one", by="ada")
    store.activate("flowers", 1, by="ada")
    store.publish("flowers", b"second", by="bob")
    store.activate("flowers", 2, by="bob")
    store.activate("flowers", 1, by="eve")
    store.retire("flowers", by="eve")
    for reader in (store, Store(open_location())):
        state = reader.state("flowers")
        assert [(e.event, e.version, e.by, e.at.second) for e in state.events] == [
            ("publish", 1, "ada", 1),
            ("activate", 1, "ada", 2),
            ("publish", 2, "bob", 3),
            ("activate", 2, "bob", 4),
            ("activate", 1, "eve", 5),
            ("retire", 1, "eve", 6),
        ]
        assert [(v.number, v.size, v.sha256) for v in state.versions] == [
            (1, 3, sha256(b"one")),
            (2, 6, sha256(b"second")),
        ]
        assert (state.name, state.live, state.head) == ("flowers", None, 6)


def test_versions_stay_readable_after_retirement_and_can_come_back(store: Store) -> None:
    store.publish("flowers", b"one", by="ada")
    store.activate("flowers", 1, by="ada")
    store.retire("flowers", by="ada")
    assert store.tasks() == ["flowers"]
    assert store.read("flowers", 1) == b"one"
    assert store.activate("flowers", 1, by="ada").live == 1


def test_tasks_are_apart(store: Store) -> None:
    for name in ("b", "a", "a.b", "ab"):
        store.publish(name, name.encode(), by="ada")
    store.activate("a", 1, by="ada")
    assert store.tasks() == ["a", "a.b", "ab", "b"]
    assert store.heads() == {"a": 2, "a.b": 1, "ab": 1, "b": 1}
    assert store.read("a.b", 1) == b"a.b"
    assert store.state("ab").live is None


def test_another_store_sees_changes(store: Store, open_location: OpenLocation) -> None:
    other = Store(open_location())
    store.publish("flowers", b"one", by="ada")
    assert other.state("flowers").live is None
    store.activate("flowers", 1, by="ada")
    assert other.heads() == {"flowers": 2}
    assert other.state("flowers").live == 1
    assert other.publish("flowers", b"two", by="bob").number == 2
    assert store.read("flowers", 2) == b"two"


def test_unknown_things_have_their_errors(store: Store) -> None:
    for call in (
        lambda: store.state("flowers"),
        lambda: store.read("flowers", 1),
        lambda: store.activate("flowers", 1, by="ada"),
        lambda: store.retire("flowers", by="ada"),
    ):
        with pytest.raises(
            TaskNotFound, match="task 'flowers': expected a published task, found none"
        ):
            call()
    store.publish("flowers", b"one", by="ada")
    for call in (lambda: store.read("flowers", 2), lambda: store.activate("flowers", 2, by="ada")):
        with pytest.raises(VersionNotFound, match=r"expected a published one \(1 to 1\), found 2"):
            call()
    with pytest.raises(
        TaskNotLive, match="task 'flowers': expected a live version to retire, found none"
    ):
        store.retire("flowers", by="ada")
    assert len(store.state("flowers").events) == 1


def test_bad_names_reach_no_storage(store: Store) -> None:
    for call in (
        lambda: store.state("../x"),
        lambda: store.read("a/b", 1),
        lambda: store.publish("..", b"", by="ada"),
        lambda: store.activate("stats", 1, by="ada"),
        lambda: store.retire("", by="ada"),
    ):
        with pytest.raises(InvalidTaskName):
            call()
    assert store.tasks() == []


@pytest.mark.parametrize("by", ["", "x" * 201])
def test_who_acts_is_checked_before_anything_is_written(
    store: Store, open_location: OpenLocation, by: str
) -> None:
    with pytest.raises(StoreError, match="by: expected 1 to 200 characters"):
        store.publish("flowers", b"one", by=by)
    assert paths(open_location()) == []


def test_the_layout_is_as_documented(store: Store, open_location: OpenLocation) -> None:
    store.publish("flowers", b"one", by="ada")
    store.activate("flowers", 1, by="ada")
    objects = open_location()
    assert paths(objects) == [
        "flowers/events/000001.json",
        "flowers/events/000002.json",
        "flowers/versions/000001.safetensors",
    ]
    assert objects.read("flowers/versions/000001.safetensors") == b"one"
    text = '{"event":"activate","version":1,"at":"2025-01-01T00:00:02Z","by":"ada",'
    text += f'"sha256":"{sha256(b"one")}","size":3}}'
    assert objects.read("flowers/events/000002.json") == text.encode()


def test_a_version_without_its_event_is_invisible_and_its_number_stays_taken(
    store: Store, open_location: OpenLocation
) -> None:
    for number in (1, 2, 3):
        open_location().create(
            f"flowers/versions/{number:06}.safetensors", b"from a writer that crashed"
        )
    assert store.tasks() == []
    with pytest.raises(TaskNotFound):
        store.state("flowers")
    assert store.publish("flowers", b"mine", by="ada").number == 4
    with pytest.raises(VersionNotFound):
        store.read("flowers", 3)
    assert [version.number for version in store.state("flowers").versions] == [4]


def test_numbers_grow_beyond_six_digits(store: Store, open_location: OpenLocation) -> None:
    last = Event(
        event="publish",
        version=999_999,
        at=datetime.now(UTC),
        by="ada",
        sha256=sha256(b"x"),
        size=1,
    )
    open_location().create("flowers/versions/999999.safetensors", b"x")
    open_location().create("flowers/events/999999.json", last.to_bytes())
    assert store.publish("flowers", b"y", by="ada").number == 1_000_000
    assert store.activate("flowers", 1_000_000, by="ada").head == 1_000_001
    assert store.publish("flowers", b"z", by="ada").number == 1_000_001
    assert store.heads() == {"flowers": 1_000_002}
    fresh = Store(open_location()).state("flowers")
    assert (fresh.live, fresh.head) == (1_000_000, 1_000_002)
    assert [version.number for version in fresh.versions] == [999_999, 1_000_000, 1_000_001]
    assert Store(open_location()).read("flowers", 1_000_001) == b"z"


def test_large_files_are_created_once_too(store: Store, open_location: OpenLocation) -> None:
    data = bytes(7 * 2**20)  # obstore would split this into parts by itself
    store.publish("flowers", data, by="ada")
    with pytest.raises(FileExistsError):
        open_location().create("flowers/versions/000001.safetensors", bytes(8 * 2**20))
    assert store.read("flowers", 1) == data


def test_foreign_objects_are_ignored(store: Store, open_location: OpenLocation) -> None:
    store.publish("flowers", b"one", by="ada")
    for path in (
        *("README.md", "flowers/README.md", "flowers/events/notes.json", "flowers/events/7.json"),
        *(
            "flowers/events/000009.json.bak",
            ".hidden/events/000001.json",
            "a..b/events/000001.json",
        ),
        *("flowers/events/deeper/000008.json", "flowers/versions/deeper/000008.safetensors"),
    ):
        open_location().create(path, b"?")
    fresh = Store(open_location())
    assert fresh.heads() == {"flowers": 1}
    assert fresh.publish("flowers", b"two", by="ada").number == 2


def test_a_file_that_is_not_what_was_published_is_never_returned(
    store: Store, open_location: OpenLocation
) -> None:
    event = Event(
        event="publish", version=1, at=datetime.now(UTC), by="ada", sha256=sha256(b"good"), size=4
    )
    open_location().create("flowers/events/000001.json", event.to_bytes())
    with pytest.raises(
        DamagedObject,
        match=r"'flowers/versions/000001.safetensors': expected the published file, found none",
    ):
        store.read("flowers", 1)
    open_location().create("flowers/versions/000001.safetensors", b"evil")
    with pytest.raises(
        DamagedObject, match=f"expected sha256 {sha256(b'good')}, found {sha256(b'evil')}"
    ):
        store.read("flowers", 1)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"event": "explode", "version": 1}'])
def test_a_damaged_event_is_named(store: Store, open_location: OpenLocation, data: bytes) -> None:
    open_location().create("flowers/events/000001.json", data)
    with pytest.raises(
        DamagedObject, match=r"object 'flowers/events/000001.json': expected an event"
    ):
        store.state("flowers")


class Rival(Objects):
    """Lets another writer act just before each of the next creations."""

    def __init__(
        self, open_location: OpenLocation, act: Callable[[Store], object], times: int
    ) -> None:
        self._ours = open_location()
        self._theirs = Store(open_location())
        self._act = act
        self._times = times
        self.read = self._ours.read
        self.keys = self._ours.keys

    def create(self, path: str, data: bytes, *, urgent: bool = False) -> None:
        if self._times > 0:
            self._times -= 1
            self._act(self._theirs)
        self._ours.create(path, data, urgent=urgent)


@pytest.mark.parametrize("times", [1, 5])
def test_a_lost_race_takes_the_next_number(
    store: Store, open_location: OpenLocation, times: int
) -> None:
    files = iter(range(times))
    rival = Rival(
        open_location,
        lambda theirs: theirs.publish("flowers", b"theirs %d" % next(files), by="rival"),
        times,
    )
    mine = Store(rival).publish("flowers", b"mine", by="ada")
    state = store.state("flowers")
    assert [version.number for version in state.versions] == list(range(1, times + 2))
    assert [v.number for v in state.versions if v.by == "ada"] == [mine.number]
    assert store.read("flowers", mine.number) == b"mine"
    assert len(state.events) == times + 1


def test_what_was_true_is_checked_again_after_a_lost_race(
    store: Store, open_location: OpenLocation
) -> None:
    store.publish("flowers", b"one", by="ada")
    store.activate("flowers", 1, by="ada")
    rival = Rival(open_location, lambda theirs: theirs.retire("flowers", by="rival"), 1)
    with pytest.raises(TaskNotLive):
        Store(rival).retire("flowers", by="ada")
    assert [event.by for event in store.state("flowers").events] == ["ada", "ada", "rival"]


def test_a_version_supersedes_the_one_that_it_was_made_of(
    store: Store, open_location: OpenLocation
) -> None:
    for data in (b"one", b"two", b"three"):
        store.publish("flowers", data, by="ada")
    with pytest.raises(StoreConflict, match="expected 1 to be superseded, found none"):
        store.supersede("flowers", 1, 2, by="ada")
    assert store.supersede("flowers", None, 1, by="ada").live == 1
    with pytest.raises(StoreConflict, match="expected none to be superseded, found 1"):
        store.supersede("flowers", None, 2, by="ada")
    assert store.supersede("flowers", 1, 2, by="ada").live == 2
    Store(open_location()).activate("flowers", 3, by="another server")
    with pytest.raises(StoreConflict, match="expected 2 to be superseded, found 3"):
        store.supersede("flowers", 2, 1, by="ada")
    assert store.state("flowers").live == 3
    with pytest.raises(VersionNotFound):
        store.supersede("flowers", 3, 9, by="ada")
    rival = Rival(open_location, lambda theirs: theirs.activate("flowers", 1, by="rival"), 1)
    with pytest.raises(StoreConflict, match="expected 3 to be superseded, found 1"):
        Store(rival).supersede("flowers", 3, 2, by="ada")


def test_a_writer_that_always_loses_gives_up(store: Store, open_location: OpenLocation) -> None:
    store.publish("flowers", b"one", by="ada")
    rival = Rival(open_location, lambda theirs: theirs.activate("flowers", 1, by="rival"), 1000)
    with pytest.raises(
        StoreConflict, match="event of task 'flowers': expected a free number within"
    ):
        Store(rival).activate("flowers", 1, by="ada")


def test_an_event_that_a_retry_wrote_twice_counts_once(
    store: Store, open_location: OpenLocation
) -> None:
    store.publish("flowers", b"one", by="ada")
    objects = open_location()
    objects.create("flowers/events/000002.json", objects.read("flowers/events/000001.json"))
    assert [version.number for version in store.state("flowers").versions] == [1]
    assert store.publish("flowers", b"two", by="ada").number == 2


def test_fields_of_a_later_release_are_ignored(store: Store, open_location: OpenLocation) -> None:
    store.publish("flowers", b"one", by="ada")
    objects = open_location()
    first = objects.read("flowers/events/000001.json")
    later = first.replace(b'"event":"publish"', b'"why":"x","event":"activate"')
    objects.create("flowers/events/000002.json", later)
    assert store.state("flowers").live == 1


def test_known_events_are_not_read_again(open_location: OpenLocation) -> None:
    class Counting(Objects):
        def __init__(self) -> None:
            self._inner = open_location()
            self.calls = 0
            self.create = self._inner.create

        def read(self, path: str, length: int | None = None) -> bytes:
            self.calls += 1
            return self._inner.read(path, length)

        def keys(self, kind: Kind, task: str | None = None) -> list[Key]:
            self.calls += 1
            return self._inner.keys(kind, task)

    objects = Counting()
    store = Store(objects)
    for number in range(10):
        store.publish("flowers", b"%d" % number, by="ada")
    before = objects.calls
    store.state("flowers")
    assert objects.calls - before == 1
    store.publish("flowers", b"more", by="ada")
    assert objects.calls - before == 3
    store.read("flowers", 11)
    assert objects.calls - before == 4
