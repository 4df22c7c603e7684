"""The command `facet store`."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.prompts_store import open_store


def run(*arguments: object) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["store", *(str(each) for each in arguments)])
    return result.exit_code, result.output.splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store with three versions, the second live, and an upload that was cut off."""
    store = open_store(tmp_path / "store")
    for number in range(3):
        store.publish("flowers", bytes(1000 * (number + 1)), by="ada")
    store.activate("flowers", 2, by="ada")
    cut_off = tmp_path / "store" / ".staging" / "cut-off"
    cut_off.write_bytes(bytes(2_500_000))
    os.utime(cut_off, (0, 0))
    return tmp_path / "store"


def test_it_says_what_it_frees(place: Path) -> None:
    left = "remove .staging/cut-off, 2.5 MB: never completed"
    expected = (0, [f"would {left}", "would free 2.5 MB in 1 file"])
    assert run("prune", place, "--dry-run") == expected
    assert run("prune", place, "--dry-run") == expected
    assert run("prune", place) == (0, [left.replace("remove", "removed"), "freed 2.5 MB in 1 file"])
    assert run("prune", place) == (0, ["freed 0.0 kB in 0 files"])


def test_it_keeps_as_many_versions_as_are_asked_for(place: Path) -> None:
    code, lines = run("prune", place, "--keep", 1)
    assert code == 0
    assert lines[1:] == [
        "removed flowers/versions/000001.safetensors, 1.0 kB: not live, nor among the newest 1 "
        "others",
        "freed 2.5 MB in 2 files",
    ]
    state = open_store(place).state("flowers")
    assert ([version.number for version in state.versions], state.live) == ([2, 3], 2)


def test_what_is_young_may_be_under_way(place: Path) -> None:
    (place / ".staging" / "young").write_bytes(b"half")
    assert len(run("prune", place)[1]) == 2
    assert (place / ".staging" / "young").exists()
    assert run("prune", place, "--age", 0)[1] == [
        "removed .staging/young, 0.0 kB: never completed",
        "freed 0.0 kB in 1 file",
    ]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("{tmp_path}/none", "store: expected a folder that holds one"),
        ("ftp://host/x", "store: expected a folder, memory:, s3://"),
    ],
)
def test_a_wrong_place_is_one_sentence(tmp_path: Path, location: str, words: str) -> None:
    code, lines = run("prune", location.format(tmp_path=tmp_path))
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("facet store prune: ")
    assert words in lines[0]
    assert list(tmp_path.iterdir()) == []
