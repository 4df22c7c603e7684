"""Trainings in the store: durable, the sum of their events, and gone when they are deleted."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from facet_vision.prompts_store import DamagedObject, Store, StoreUnavailable, open_store
from facet_vision.prompts_store.keys import TRAININGS
from facet_vision.service.errors import TrainingFull, UnknownTraining, WrongState
from facet_vision.service.settings import Settings
from facet_vision.service.trainings.adding import NewImage, add
from facet_vision.service.trainings.log import TrainingLog
from facet_vision.service.trainings.record import (
    Begun,
    Created,
    Deleted,
    Event,
    Failed,
    Queued,
    Removed,
    Training,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = Event(at=AT, by="somebody")
ME = "host/1/2"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


@pytest.fixture
def log(store: Store) -> TrainingLog:
    return TrainingLog(store.tree(TRAININGS))


def created(log: TrainingLog, task: str = "t") -> Training:
    plan = {"task": task, "method": "auto", "budget_seconds": 9, "keep_seconds": None}
    return log.create(Created(at=AT, by="somebody", **plan))  # type: ignore[arg-type]


def new(text: str, label: str = "a") -> NewImage:
    return NewImage(text.encode(), label, f"{text}.png", "image/png")


def added(log: TrainingLog, id: str, *images: NewImage, **limits: int) -> list[str]:
    found = add(log, Settings(**limits), ME, id, images, STAMP)  # type: ignore[arg-type]
    return [image.id for image in found]


def test_what_was_acknowledged_another_process_finds(store: Store, log: TrainingLog) -> None:
    id = created(log).id
    ids = added(log, id, new("one"), new("two", "b"))
    log.append(id, lambda _: Queued(at=AT, by="x", owner=ME))
    log.append(id, lambda _: Begun(at=AT, by="x", owner=ME))
    other = TrainingLog(store.tree(TRAININGS))
    (found,) = other.all()
    assert found == log.get(id)
    assert (found.state, found.run, found.owner, list(found.images)) == ("running", 1, ME, ids)
    assert other.read(id, "images", found.images[ids[1]].name) == b"two"
    # each sees what the other one writes
    other.append(id, lambda _: Failed(at=AT, by="x", error="no"))
    assert (log.get(id).state, log.get(id).error) == ("failed", "no")


def test_an_event_is_checked_against_the_state_that_it_changes(
    store: Store, log: TrainingLog
) -> None:
    id = created(log).id
    other = TrainingLog(store.tree(TRAININGS))
    seen: list[int] = []

    def event(training: Training) -> Queued:
        seen.append(training.head)
        if len(seen) == 1:  # another server is faster
            other.append(id, lambda _: Failed(at=AT, by="x", error="no"))
        return Queued(at=AT, by="x", owner=ME)

    assert log.append(id, event).head == 3
    assert seen == [1, 2]


def test_the_same_image_is_there_once_under_its_last_label(store: Store, log: TrainingLog) -> None:
    id = created(log).id
    first = added(log, id, new("one"), new("two"), new("one", "b"))
    assert first[0] == first[2]
    assert added(log, id, new("two", "c")) == [first[1]]
    training = log.get(id)
    assert training.labels == {"b": 1, "c": 1}
    assert len(store.tree(TRAININGS).names(f"{id}/images")) == 2


def test_what_would_be_too_much_leaves_nothing(store: Store, log: TrainingLog) -> None:
    id = created(log).id
    added(log, id, new("one"), max_training_images=2)
    with pytest.raises(TrainingFull, match="at most 2 images, found 3"):
        added(log, id, new("two"), new("three"), max_training_images=2)
    with pytest.raises(TrainingFull, match="at most 8 bytes, found 11"):
        added(log, id, new("no image"), max_training_bytes=8)
    log.append(id, lambda _: Queued(at=AT, by="x", owner=ME))
    with pytest.raises(WrongState, match="neither queued nor running"):
        added(log, id, new("two"))
    assert len(store.tree(TRAININGS).names(f"{id}/images")) == 1


def test_a_removed_image_comes_again_with_its_own_bytes(log: TrainingLog) -> None:
    id = created(log).id
    (image,) = added(log, id, new("one"))
    former = log.get(id).images[image].name
    log.append(id, lambda _: Removed(at=AT, by="x", image=image))
    added(log, id, new("one"))
    log.discard(id, "images", former)  # late, as after a crash
    assert log.read(id, "images", log.get(id).images[image].name) == b"one"


def test_nothing_is_left_of_what_is_deleted(log: TrainingLog, tmp_path: Path) -> None:
    id, kept = created(log).id, created(log).id
    added(log, id, new("one"))
    log.append(id, lambda _: Deleted(at=AT, by="x"))
    with pytest.raises(UnknownTraining, match="expected one of that id"):
        log.get(id)
    assert [each.id for each in log.all()] == [kept]
    log.remove(id)
    assert [path.name for path in (tmp_path / TRAININGS).iterdir()] == [kept]


@pytest.mark.parametrize("cut_off_after", ["event", "images", "first event"])
def test_a_removal_that_was_cut_off_is_taken_up(
    store: Store, log: TrainingLog, tmp_path: Path, cut_off_after: str
) -> None:
    id, kept = created(log).id, created(log).id
    added(log, id, new("one"))
    log.append(id, lambda _: Deleted(at=AT, by="x"))
    tree = store.tree(TRAININGS)
    if cut_off_after != "event":
        tree.remove(f"{id}/images")
    if cut_off_after == "first event":
        tree.delete(f"{id}/events/000001.json")
    other = TrainingLog(tree)
    other.remove_leftovers()
    assert [path.name for path in (tmp_path / TRAININGS).iterdir()] == [kept]
    assert [each.id for each in other.all()] == [kept]


def test_one_that_is_damaged_is_left_out(
    store: Store, log: TrainingLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    id, kept = created(log).id, created(log).id
    (tmp_path / TRAININGS / id / "events" / "000002.json").write_text('{"event": "dance"}')
    other = TrainingLog(store.tree(TRAININGS))
    assert [each.id for each in other.all()] == [kept]
    assert "expected an event of a training" in caplog.text
    with pytest.raises(DamagedObject):
        other.get(id)
    other.remove_leftovers()
    assert (tmp_path / TRAININGS / id).exists()  # somebody may mend it


@pytest.mark.parametrize("id", ["", "..", "x/y", "0" * 15, "A" * 16, "0" * 16])
def test_an_id_of_none(log: TrainingLog, id: str) -> None:
    with pytest.raises(UnknownTraining):
        log.get(id)


def test_a_store_that_is_away_is_not_one_without_trainings(
    log: TrainingLog, tmp_path: Path
) -> None:
    created(log)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    tmp_path.rmdir()
    with pytest.raises(StoreUnavailable):
        log.all()
