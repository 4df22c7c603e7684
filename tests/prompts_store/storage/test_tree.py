"""A tree beside the tasks, at every kind of location."""

import logging
from pathlib import Path

import pytest

from facet_vision.prompts_store import Store, open_store
from facet_vision.prompts_store.keys import TRAININGS
from facet_vision.prompts_store.prune import Pruner
from facet_vision.prompts_store.storage.folder import Folder
from tests.prompts_store.conftest import OpenLocation


def test_objects_are_created_once_read_listed_and_removed(store: Store) -> None:
    tree = store.tree(TRAININGS)
    assert tree.names() == tree.names("a/events") == []
    tree.create("a/events/000001.json", b"one")
    tree.create("a/images/x", b"")
    tree.create("b/events/000001.json", b"two")
    with pytest.raises(FileExistsError):
        tree.create("a/events/000001.json", b"other")
    assert tree.read("a/events/000001.json") == b"one"
    assert sorted(tree.names()) == ["a", "b"]
    assert sorted(tree.names("a")) == ["events", "images"]
    assert tree.names("a/images") == ["x"]
    tree.delete("a/images/x")
    tree.delete("a/images/x")
    with pytest.raises(FileNotFoundError):
        tree.read("a/images/x")
    tree.remove("a")
    tree.remove("a")
    assert (tree.names(), tree.names("a")) == (["b"], [])
    tree.create("a/events/000001.json", b"again")
    assert tree.read("a/events/000001.json") == b"again"


def test_no_task_is_seen_in_it(
    store: Store, open_location: OpenLocation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "facet.store")
    store.tree(TRAININGS).create("digits/events/000001.json", b"{}")
    store.tree(TRAININGS).create("digits/versions/000001.safetensors", b"{}")
    other = Store(open_location())
    assert (other.tasks(), other.heads()) == ([], {})
    other.check_reachable()
    assert list(Pruner(open_location(), now=1e12, age=0).prune()) == []
    assert not caplog.records


@pytest.mark.parametrize("path", ["../x", "a/../x", "a//x", ".hidden", "a/ x", ""])
def test_no_other_path_is_asked_for(store: Store, path: str) -> None:
    with pytest.raises(AssertionError):
        store.tree(TRAININGS).create(path, b"")


def test_a_link_is_not_followed_when_a_folder_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    store = Store(Folder(tmp_path / "store"))
    store.tree(TRAININGS).create("a/events/000001.json", b"one")
    (tmp_path / "store" / TRAININGS / "a" / "images").symlink_to(outside)
    store.tree(TRAININGS).remove("a")
    assert (outside / "file").read_text() == "kept"


def test_only_a_store_in_a_folder_has_one(tmp_path: Path) -> None:
    assert open_store(tmp_path).folder == tmp_path.resolve()
    assert open_store("memory:").folder is None
