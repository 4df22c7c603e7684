"""`facet migrate`: the whole identity in files of an older release."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.prompts_store import TaskFile, builtin

OLD = Path(__file__).parents[1] / "prompts_store" / "old" / "digits-v1.safetensors"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "digits.safetensors"))


def test_files_are_rewritten_in_place(old: Path) -> None:
    result = CliRunner().invoke(app, ["migrate", str(old), "--backbone", "facet-tiny"])
    assert result.exit_code == 0, result.output
    assert TaskFile.load(old).manifest.fingerprint in result.output
    assert old.read_bytes() == builtin.read("digits")


def test_a_file_of_another_backbone_changes_none(old: Path, tmp_path: Path) -> None:
    text = old.read_bytes()
    theirs = tmp_path / "theirs.safetensors"
    theirs.write_bytes(text.replace(b"0b328d0f", b"0b328d00"))
    command = ["migrate", str(old), str(theirs), "--backbone", "facet-tiny"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "fingerprint (weights) of task 'digits'" in result.output
    assert old.read_bytes() == text
