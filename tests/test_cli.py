"""The `facet` command as a whole."""

import json
import os
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.cli import COMMANDS, app
from facet_vision.common.lazy import LazyCommand

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "timm", "fastapi", "uvicorn", "sklearn", "obstore"}


def facet(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facet_vision", *arguments],
        env={**os.environ, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def loaded_by(*arguments: str) -> set[str]:
    """The modules that are in memory when a command ends."""
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.__stdout__))\n"
        "from facet_vision.cli import app\n"
        f"app({list(arguments)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_help_names_every_command() -> None:
    help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for command in COMMANDS:
        assert f" {command.name} " in help_text
        assert str(command.help) in help_text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_what_stands_in_for_a_command_says_what_it_says(command: LazyCommand) -> None:
    loaded = command.load()
    assert loaded.name == command.name
    assert str(loaded.help).split("\n\n")[0].replace("\n", " ") == command.help
    assert CliRunner().invoke(app, [str(command.name), "--help"]).exit_code == 0


def test_help_and_version_load_nothing_heavy() -> None:
    assert not HEAVY & loaded_by("--help")
    assert not HEAVY & loaded_by("--version")
    assert not HEAVY & loaded_by("train", "--help")
    assert not HEAVY & loaded_by("evaluate", "--help")
    assert not HEAVY & loaded_by("serve", "--port", "none")


def test_show_reads_a_header_without_anything_heavy() -> None:
    file = ROOT / "prompts_store" / "builtin" / "digits.safetensors"
    assert not HEAVY & loaded_by("show", str(file))
    assert not HEAVY & loaded_by("show", str(file), "--json")


def test_help_takes_less_than_half_a_second() -> None:
    """Of processor time, which other work on the machine does not add to; the best of three."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert facet("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.5, taken


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    done = facet("--version")
    assert (done.returncode, done.stdout) == (0, f"facet {project['version']}\n")


def completed(words: str) -> list[str]:
    count = len(words.split(" ")) - 1
    done = facet(_FACET_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(count))
    return done.stdout.split()


def test_the_shell_completes_commands_and_their_options() -> None:
    assert sorted(completed("facet tr")) == ["train", "trainings"]
    assert completed("facet bench me") == ["memory"]
    assert completed("facet train --back") == ["--backbone"]
    assert "facet" in facet("--show-completion", "bash").stdout


def test_a_wrong_command_line_exits_with_2() -> None:
    for arguments in (
        ["taks"],
        ["tasks", "--no-such-option"],
        ["predict"],
        ["bench", "htt"],
        ["serve", "--port", "70000"],
        ["train", "digits", "--task", "t", "--out", "t", "--method", "linear", "--tokens", "3"],
        ["compare", "digits", "--out", "t", "--methods", "magic"],
        ["ablate", "length", "digits", "--out", "t", "--seeds", "x"],
        ["bench", "mix", "--rounds", "0"],
    ):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2, (arguments, done.output)
        assert "Traceback" not in done.output
