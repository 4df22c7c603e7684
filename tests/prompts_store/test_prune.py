"""Pruning: what crashed uploads left goes, what anybody may still need stays."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facet_vision.prompts_store import Store, StoreError, StoreUnavailable, open_store
from facet_vision.prompts_store.keys import is_partial
from facet_vision.prompts_store.prune import BY, Pruned, Pruner
from facet_vision.prompts_store.storage.objects import Objects, open_objects

OpenLocation = Callable[[], Objects]

HOUR = 3600.0


def prune(objects: Objects, later: float = 2 * HOUR, **options: Any) -> list[Pruned]:
    """What is pruned some seconds from now."""
    dry_run = options.pop("dry_run", False)
    pruner = Pruner(objects, now=time.time() + later, age=HOUR, **options)
    return list(pruner.prune(dry_run=dry_run))


def numbers(store: Store, task: str = "flowers") -> list[int]:
    return [version.number for version in store.state(task).versions]


@pytest.fixture(name="store")
def the_store(open_location: OpenLocation) -> Store:
    """Versions 1 to 5 of flowers, the third of which is live; version 2 is deleted."""
    store = Store(open_location())
    for number in range(1, 6):
        store.publish("flowers", b"%d" % number, by="ada")
    store.activate("flowers", 3, by="ada")
    store.delete("flowers", 2, by="ada")
    return store


def test_there_is_nothing_to_prune_in_a_sound_store(
    store: Store, open_location: OpenLocation
) -> None:
    assert prune(open_location()) == []
    assert numbers(store) == [1, 3, 4, 5]


@pytest.mark.usefixtures("store")
def test_versions_without_an_event_go_once_they_are_old(open_location: OpenLocation) -> None:
    objects = open_location()
    objects.create("flowers/versions/000006.safetensors", b"crashed")
    objects.create("never/versions/000001.safetensors", b"crashed, the first of its task")
    assert prune(objects, later=HOUR - 60) == []  # their events may follow
    expected = [
        Pruned("flowers/versions/000006.safetensors", 7, "never published"),
        Pruned("never/versions/000001.safetensors", 30, "never published"),
    ]
    assert prune(objects, dry_run=True) == expected
    assert prune(objects) == expected
    assert prune(objects) == []
    fresh = Store(open_location())
    assert numbers(fresh) == [1, 3, 4, 5]
    assert all(fresh.read("flowers", number) == b"%d" % number for number in numbers(fresh))


def test_a_version_that_is_published_while_files_are_listed_stays(
    store: Store, open_location: OpenLocation
) -> None:
    class Late(Objects):
        """Another server publishes right after the files were listed."""

        def __init__(self) -> None:
            ours = open_location()
            for name in ("read", "delete", "describe", "temporary", "create"):
                setattr(self, name, getattr(ours, name))
            self._keys = ours.keys

        def keys(self, kind: Any, task: str | None = None) -> Any:
            found = self._keys(kind, task)
            if kind == "versions":
                store.publish("flowers", b"late", by="other")
            return found

    assert prune(Late()) == []
    assert store.read("flowers", 6) == b"late"


def test_files_of_deleted_versions_go_at_once(store: Store, open_location: OpenLocation) -> None:
    objects = open_location()
    objects.create("flowers/versions/000002.safetensors", b"2")  # as if the server had crashed
    (gone,) = prune(objects, later=0)
    assert gone == Pruned("flowers/versions/000002.safetensors", 1, "of a deleted version")
    assert numbers(store) == [1, 3, 4, 5]


@pytest.mark.parametrize(("keep", "left"), [(0, [3]), (1, [3, 5]), (2, [3, 4, 5]), (9, None)])
def test_old_versions_go_where_that_is_asked_for(
    store: Store, open_location: OpenLocation, keep: int, left: list[int] | None
) -> None:
    left = left or numbers(store)
    gone = sorted(set(numbers(store)) - set(left))
    events = len(store.state("flowers").events)
    for dry_run in (True, False):
        found = prune(open_location(), keep=keep, dry_run=dry_run)
        assert [int(each.path[-18:-12]) for each in found] == gone
        assert len(store.state("flowers").events) == events + (0 if dry_run else len(gone))
    fresh = Store(open_location()).state("flowers")
    assert ([version.number for version in fresh.versions], fresh.live) == (left, 3)
    assert {event.by for event in fresh.events[events:]} <= {BY}
    assert store.publish("flowers", b"next", by="ada").number == 6


def test_a_damaged_history_is_no_reason_to_delete(
    store: Store, open_location: OpenLocation
) -> None:
    objects = open_location()
    objects.create("damaged/versions/000001.safetensors", b"one")
    objects.create("damaged/events/000001.json", b"{")
    assert [each.path for each in prune(objects, keep=0)] == [
        f"flowers/versions/00000{number}.safetensors" for number in (1, 4, 5)
    ]
    assert objects.read("damaged/versions/000001.safetensors") == b"one"
    assert store.state("flowers").live == 3


def test_nor_is_one_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path).publish("private", b"one", by="ada")
    really = os.open

    def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if path == "events":  # root, as which tests may run, is refused nothing
            raise PermissionError(13, "Permission denied", path)
        return really(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreUnavailable, match="Permission denied"):
        prune(open_objects(tmp_path, tidy=False))
    monkeypatch.undo()
    assert open_store(tmp_path).read("private", 1) == b"one"


def test_incomplete_files_go_and_foreign_ones_stay(tmp_path: Path) -> None:
    open_store(tmp_path).publish("flowers", b"one", by="ada")
    left = [
        *(".staging/0123", "flowers/versions/.000002.safetensors.Ab12Cd"),
        *("flowers/events/000002.json#1", "flowers/versions/000002.safetensors.part"),
    ]
    foreign = [
        *("README.md", "flowers/notes.part", "flowers/versions/notes.part", "photos/a.jpg.tmp"),
        *("flowers/events/000001.json.bak", "lost+found/000001.safetensors.part"),
    ]
    for path in left + foreign:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"half")
    (tmp_path / ".staging" / "folder").mkdir()
    objects = open_objects(tmp_path, tidy=False)
    assert prune(objects, later=HOUR - 60) == []
    found = prune(objects)
    assert sorted(each.path for each in found) == sorted(left)
    assert {(each.size, each.why) for each in found} == {(4, "never completed")}
    assert all((tmp_path / path).exists() for path in foreign)
    assert not any((tmp_path / path).exists() for path in left)
    assert open_store(tmp_path).read("flowers", 1) == b"one"


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    open_store(tmp_path).publish("flowers", b"one", by="ada")
    old = tmp_path / ".staging" / "old"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    (tmp_path / ".reserve").unlink()
    before = sorted(tmp_path.rglob("*"))
    assert len(prune(open_objects(tmp_path, tidy=False), keep=0, dry_run=True)) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="store: expected a folder that holds one, found"):
        open_objects(tmp_path / "none", tidy=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("flowers/versions/000001.safetensors", False),
        ("flowers/versions/000001.safetensors#12", True),
        ("flowers/versions/.000001.safetensors.aB3_5d", True),
        ("flowers/versions/.000001.safetensors.toolong", False),
        ("flowers/events/000001.json.partial", True),
        ("flowers/events/000001.json.tmp", True),
        ("flowers/events/000001.json.bak", False),
        ("flowers/events/1.json.tmp", False),
        ("flowers/deeper/events/000001.json.tmp", False),
        ("000001.json.tmp", False),
    ],
)
def test_what_copying_programs_leave(path: str, expected: bool) -> None:
    assert is_partial(path) is expected
