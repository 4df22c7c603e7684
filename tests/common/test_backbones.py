"""`facet backbones` and what is said of resampled weights."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.common.terminal import tell_resampled


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["backbones", *arguments])


def test_names_are_listed_a_line_each() -> None:
    lines = run("vit_tiny_*384*").output.splitlines()
    assert lines == ["vit_tiny_patch16_384.augreg_in21k_ft_in1k  ViT        384x384"]
    assert run("patch16_plus_240").output.endswith("240x240  no weights\n")


def test_names_are_listed_as_json() -> None:
    assert json.loads(run("facet-tiny", "--json").output) == {
        "backbones": [
            {"name": "facet-tiny", "family": "Facet", "image_size": [48, 48], "pretrained": True}
        ]
    }
    assert json.loads(run("resnet50", "--json").output) == {"backbones": []}


def test_a_pattern_that_nothing_matches_is_told() -> None:
    done = run("resnet50")
    assert done.exit_code == 1
    assert "expected a part of a supported name, found 'resnet50'" in done.output


@pytest.mark.parametrize("words", ["", "positions 4x4 -> 6x6 resampled"])
def test_what_was_resampled_is_a_line_on_stderr(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    network: Any = SimpleNamespace(name="net", resampled=words)
    assert tell_resampled(network) is network
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", f"net: {words}\n" if words else "")
