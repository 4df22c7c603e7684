"""`facet migrate`: the whole identity in files of an older release."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.cli import app
from facet_vision.prompts_store import TaskFile
from tests.prompts_store.task_examples import OLD, of_first_release


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    return backbone.load("facet-tiny", device="cpu")


@pytest.fixture
def old(tiny: Backbone, tmp_path: Path) -> Path:
    path = tmp_path / "digits.safetensors"
    of_first_release(tiny).save(path)
    return path


def test_files_are_rewritten_in_place(tiny: Backbone, old: Path) -> None:
    result = CliRunner().invoke(app, ["migrate", str(old), "--backbone", "facet-tiny"])
    assert result.exit_code == 0, result.output
    assert TaskFile.load(old).manifest.fingerprint in result.output
    assert old.read_bytes() == of_first_release(tiny).migrated(tiny).to_bytes()


def test_a_file_of_another_backbone_changes_none(old: Path, tmp_path: Path) -> None:
    text = old.read_bytes()
    theirs = Path(shutil.copy(OLD, tmp_path / "theirs.safetensors"))
    command = ["migrate", str(old), str(theirs), "--backbone", "facet-tiny"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "fingerprint (weights) of task 'digits'" in result.output
    assert old.read_bytes() == text
