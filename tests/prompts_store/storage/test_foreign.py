"""Entries of a folder or bucket that are no part of the store: skipped, said once, not followed."""

import logging
import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from facet_vision.prompts_store import (
    DamagedObject,
    Store,
    StoreUnavailable,
    TaskNotFound,
    open_store,
)
from facet_vision.prompts_store.storage.foreign import MAX_WARNINGS, ForeignEntries


@pytest.fixture(autouse=True)
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the store says, also after a server has set up its own logging in this process."""
    logger = logging.getLogger("facet")
    propagate, logger.propagate = logger.propagate, True
    yield caplog
    logger.propagate = propagate


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "facet.store"]


@pytest.fixture(name="store")
def the_store(tmp_path: Path) -> Store:
    """A store with one task, in the folder `store`."""
    store = open_store(tmp_path / "store")
    store.publish("flowers", b"one", by="ada")
    store.activate("flowers", 1, by="ada")
    return store


def check_sound(root: Path) -> None:
    """A server that starts now, and one that runs, can list, read and write."""
    store = open_store(root)
    for _ in range(2):
        store.check_reachable()
        assert store.heads() == {"flowers": 2}
        assert store.read("flowers", 1) == b"one"
    assert store.publish("birds", b"new", by="ada").number == 1


@pytest.mark.usefixtures("store")
def test_an_unreadable_folder_such_as_lost_and_found(tmp_path: Path) -> None:
    for name in ("lost+found", "private", "flowers/private"):
        (tmp_path / "store" / name).mkdir(mode=0)
    check_sound(tmp_path / "store")


def test_a_task_that_cannot_be_read_is_not_the_store(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "store" / "private" / "events").mkdir(parents=True)
    really = os.open

    def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if path == "private":  # root, as which tests may run, is refused nothing
            raise PermissionError(13, "Permission denied", path)
        return really(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    for _ in range(2):
        assert store.heads() == {"flowers": 2}
    assert said(caplog) == ["store: 'private/events' is skipped: Permission denied"]
    with pytest.raises(StoreUnavailable, match="'private': Permission denied"):
        store.state("private")


@pytest.mark.usefixtures("store")
def test_names_that_are_not_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = os.fsencode(tmp_path / "store")
    for name in (b"\xff\xfe", b"new\nline", b"escape\x1b[2J", b"flowers/events/\xff.json"):
        os.mkdir(os.path.join(root, name))
    check_sound(tmp_path / "store")
    lines = said(caplog)
    assert any(r"'new\nline'" in line for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.usefixtures("store")
def test_files_sockets_pipes_and_deep_folders(tmp_path: Path) -> None:
    root = tmp_path / "store"
    (root / "README.md").write_text("?")
    (root / "file").write_text("a name that a task may have")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root)  # the path of a socket is short
        server.bind("socket")
        os.chdir(here)
    os.mkfifo(root / "pipe")
    (root / "tree" / "/".join(["deep"] * 200)).mkdir(parents=True)
    check_sound(root)


@pytest.mark.usefixtures("store")
def test_a_pipe_in_the_place_of_a_version_is_none(tmp_path: Path) -> None:
    version = tmp_path / "store" / "flowers" / "versions" / "000001.safetensors"
    version.unlink()
    os.mkfifo(version)  # to open it for reading would wait for a writer
    with pytest.raises(DamagedObject, match="expected the published file, found none"):
        open_store(tmp_path / "store").read("flowers", 1)


def test_each_entry_is_said_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store" / "lost+found").mkdir()
    (tmp_path / "store" / "loop").symlink_to("loop")
    for _ in range(3):
        store.heads()
    assert sorted(said(caplog)) == [
        "store: 'loop' is skipped: it is a link, or of another kind",
        "store: 'lost+found' is skipped: it is no object of the store",
    ]


def test_so_many_that_the_log_would_be_full(caplog: pytest.LogCaptureFixture) -> None:
    foreign = ForeignEntries()
    for number in range(10 * MAX_WARNINGS):
        foreign.skip(f"photo-{number}.jpg", "it is no object of the store")
    assert len(said(caplog)) == MAX_WARNINGS + 1
    assert said(caplog)[-1] == f"store: more than {MAX_WARNINGS} entries are skipped"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Another store, outside of the one under test."""
    other = open_store(tmp_path / "outside")
    other.publish("secret", b"theirs", by="eve")
    other.activate("secret", 1, by="eve")
    return tmp_path / "outside"


def every_file(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_link_to_a_task_outside_is_not_followed(
    store: Store, tmp_path: Path, outside: Path
) -> None:
    (tmp_path / "store" / "secret").symlink_to(outside / "secret")
    before = every_file(outside)
    for each in (store, open_store(tmp_path / "store")):
        assert each.heads() == {"flowers": 2}
        with pytest.raises(TaskNotFound):
            each.state("secret")
        with pytest.raises(TaskNotFound):
            each.read("secret", 1)
        with pytest.raises(StoreUnavailable, match="expected a folder, found a link or a file"):
            each.publish("secret", b"ours", by="ada")
    assert every_file(outside) == before


@pytest.mark.parametrize("kind", ["versions", "events"])
def test_nor_is_one_to_a_folder_of_versions_or_events(
    store: Store, tmp_path: Path, outside: Path, kind: str
) -> None:
    folder = tmp_path / "store" / "secret"
    folder.mkdir()
    for name in {"versions", "events"} - {kind}:
        (folder / name).mkdir()
    (folder / kind).symlink_to(outside / "secret" / kind)
    before = every_file(outside)
    assert store.heads() == {"flowers": 2}
    with pytest.raises(TaskNotFound):
        store.state("secret")
    with pytest.raises(StoreUnavailable):
        store.publish("secret", b"ours", by="ada")
    assert every_file(outside) == before


def test_nor_one_to_a_file(store: Store, tmp_path: Path, outside: Path) -> None:
    ours, theirs = tmp_path / "store" / "flowers", outside / "secret"
    (ours / "events" / "000003.json").symlink_to(theirs / "events" / "000001.json")
    (ours / "versions" / "000002.safetensors").symlink_to(theirs / "versions/000001.safetensors")
    before = every_file(outside)
    for each in (store, open_store(tmp_path / "store")):
        assert each.heads() == {"flowers": 2}
        assert len(each.state("flowers").events) == 2
        assert each.read("flowers", 1) == b"one"
        with pytest.raises(StoreUnavailable, match="expected a free name, found a link"):
            each.publish("flowers", b"two", by="ada")
        with pytest.raises(StoreUnavailable, match="expected a free name, found a link"):
            each.activate("flowers", 1, by="ada")
    assert every_file(outside) == before


def test_a_version_that_became_a_link_is_not_read(
    store: Store, tmp_path: Path, outside: Path
) -> None:
    version = tmp_path / "store" / "flowers" / "versions" / "000001.safetensors"
    elsewhere = outside / "one"
    version.rename(elsewhere)
    version.symlink_to(elsewhere)
    with pytest.raises(DamagedObject, match="expected the published file, found none"):
        store.read("flowers", 1)


@pytest.mark.usefixtures("store")
def test_the_store_itself_may_be_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("store")
    check_sound(tmp_path / "link")


def test_a_store_whose_folder_is_gone_is_not_empty(store: Store, tmp_path: Path) -> None:
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    for call in (store.heads, store.check_reachable, partial(store.state, "birds")):
        with pytest.raises(StoreUnavailable, match="No such file or directory") as caught:
            call()
        assert str(tmp_path) not in str(caught.value)


KEYS = ("flowers//x", "birds/../x", "a/./b", "../x", "./x", "/", "flowers/", "flowers/notes.md")


@pytest.mark.parametrize("key", KEYS)
def test_foreign_keys_of_a_bucket(
    s3: dict[str, Any], tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = f"{tmp_path.name}-{KEYS.index(key)}"
    client = boto3.client(
        "s3",
        endpoint_url=s3["endpoint"],
        aws_access_key_id="facet",
        aws_secret_access_key="facet",
        region_name="us-east-1",
    )
    store = open_store(f"s3://bucket/{prefix}", **s3)
    for task in ("flowers", "0", "Z-1"):
        store.publish(task, b"one", by="ada")
    client.put_object(Bucket="bucket", Key=f"{prefix}/{key}", Body=b"?")
    for _ in range(2):
        store.check_reachable()
        assert store.heads() == {"flowers": 1, "0": 1, "Z-1": 1}
    assert open_store(f"s3://bucket/{prefix}", **s3).publish("flowers", b"two", by="a").number == 2
    assert len(said(caplog)) <= 1
