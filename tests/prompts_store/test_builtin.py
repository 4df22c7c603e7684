"""The shipped tasks and how a store is seeded with them."""

import hashlib
from pathlib import Path

import pytest

from facet_vision.prompts_store import Store, TaskFile, TaskNotFound, open_store
from facet_vision.prompts_store import builtin as shipped
from tests.prompts_store.task_examples import Facts, identity, task_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release that ships the tasks digits and flowers, the second with two samples."""
    home = tmp_path / "release"
    (home / "samples" / "flowers").mkdir(parents=True)
    for seed, name in enumerate(("flowers", "digits")):
        task_file(seed=seed, task=name).save(home / f"{name}.safetensors")
    for name in ("b.png", "a.png"):
        (home / "samples" / "flowers" / name).write_bytes(b"image")
    return home


@pytest.fixture
def store() -> Store:
    return open_store("memory:")


def by(store: Store, task: str) -> list[tuple[str, int, str]]:
    return [(event.event, event.version, event.by) for event in store.state(task).events]


def test_listing_and_reading(folder: Path) -> None:
    assert shipped.names(folder) == ["digits", "flowers"]
    assert TaskFile.from_bytes(shipped.read("flowers", folder)).manifest.task == "flowers"
    assert [image.name for image in shipped.samples("flowers", folder)] == ["a.png", "b.png"]
    assert shipped.samples("digits", folder) == []
    with pytest.raises(TaskNotFound, match="expected one of digits, flowers, found 'roses'"):
        shipped.read("roses", folder)


def test_what_ships_is_sound() -> None:
    for name in shipped.names():
        file = TaskFile.from_bytes(shipped.read(name))
        assert file.manifest.task == name
        assert file.manifest.metrics
        assert shipped.samples(name)


def test_an_empty_store_is_seeded_once(store: Store, folder: Path) -> None:
    assert shipped.seed(store, Facts(), folder) == ["digits", "flowers"]
    assert by(store, "flowers") == [("publish", 1, "builtin"), ("activate", 1, "builtin")]
    assert store.read("flowers", 1) == shipped.read("flowers", folder)
    assert shipped.seed(store, Facts(), folder) == []
    assert store.heads() == {"digits": 2, "flowers": 2}


def test_tasks_for_another_backbone_stay_out(store: Store, folder: Path) -> None:
    assert shipped.seed(store, Facts(identity=identity(weights="cd" * 32)), folder) == []
    assert store.tasks() == []


def test_a_new_release_replaces_its_own_task(store: Store, folder: Path) -> None:
    shipped.seed(store, Facts(), folder)
    task_file(seed=9).save(folder / "flowers.safetensors")
    assert shipped.seed(store, Facts(), folder) == ["flowers"]
    assert store.state("flowers").live == 2


def test_an_older_release_activates_what_it_published_before(store: Store, folder: Path) -> None:
    old = shipped.read("flowers", folder)
    shipped.seed(store, Facts(), folder)
    task_file(seed=9).save(folder / "flowers.safetensors")
    shipped.seed(store, Facts(), folder)
    (folder / "flowers.safetensors").write_bytes(old)
    assert shipped.seed(store, Facts(), folder) == ["flowers"]
    state = store.state("flowers")
    assert (state.live, len(state.versions)) == (1, 2)
    assert state.version(1).sha256 == hashlib.sha256(old).hexdigest()


def test_a_task_that_somebody_touched_is_theirs(store: Store, folder: Path) -> None:
    shipped.seed(store, Facts(), folder)
    store.retire("flowers", by="ada")
    store.publish("digits", task_file(seed=5, task="digits").to_bytes(), by="ada")
    store.activate("digits", 2, by="ada")
    for seed, name in enumerate(("flowers", "digits"), start=20):
        task_file(seed=seed, task=name).save(folder / f"{name}.safetensors")
    assert shipped.seed(store, Facts(), folder) == []
    assert store.state("flowers").live is None
    assert store.state("digits").live == 2


def test_a_name_that_was_taken_before_is_left_alone(store: Store, folder: Path) -> None:
    store.publish("flowers", task_file(seed=5).to_bytes(), by="ada")
    assert shipped.seed(store, Facts(), folder) == ["digits"]
    assert by(store, "flowers") == [("publish", 1, "ada")]


def test_a_crash_between_publish_and_activate_is_made_good(store: Store, folder: Path) -> None:
    store.publish("flowers", shipped.read("flowers", folder), by="builtin")
    assert shipped.seed(store, Facts(), folder) == ["digits", "flowers"]
    assert by(store, "flowers") == [("publish", 1, "builtin"), ("activate", 1, "builtin")]
