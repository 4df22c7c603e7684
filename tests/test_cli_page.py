"""docs/cli.md: no command is missing, and every example is one that the command accepts."""

import re
import shlex
from pathlib import Path

import pytest

from facet_vision.cli import COMMANDS
from facet_vision.common.exits import ExitCode
from facet_vision.common.lazy import LazyCommand

PAGE = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^### facet (\S+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
PANELS = re.findall(r"^## (.*)", PAGE, re.MULTILINE)


def test_every_command_has_a_section_in_the_order_of_the_help() -> None:
    panels = list(dict.fromkeys(str(command.rich_help_panel) for command in COMMANDS))
    assert panels == PANELS
    ordered = sorted(COMMANDS, key=lambda command: panels.index(str(command.rich_help_panel)))
    assert list(SECTIONS) == [command.name for command in ordered]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_its_example_is_accepted(
    command: LazyCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as parsing goes: names and types of arguments and options, files that must exist."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets.safetensors").touch()
    examples = re.findall(r"^    (facet .*)", SECTIONS[str(command.name)], re.MULTILINE)
    assert examples
    for example in examples:
        _, name, *arguments = shlex.split(example)
        assert name == command.name
        loaded = command.load()
        if hasattr(loaded, "commands"):
            name, *arguments = arguments
            loaded = loaded.commands[name]
        assert arguments
        loaded.make_context(name, arguments)


def test_a_wrong_example_would_be_found() -> None:
    (versions,) = (command for command in COMMANDS if command.name == "versions")
    with pytest.raises(Exception, match="No such option"):
        versions.load().make_context("versions", ["pets", "--no-such-option"])


def test_the_exit_codes_are_all_there() -> None:
    codes = re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)
    assert codes == [str(code.value) for code in ExitCode]


def test_the_commands_with_json_are_all_there() -> None:
    (listed,) = re.findall(r"^`--json` \((.*)\)", PAGE, re.MULTILINE)
    found = [
        str(command.name)
        for command in COMMANDS
        if any("--json" in each.opts for each in command.load().params)
    ]
    assert re.findall(r"`(\w+)`", listed) == sorted(found)
