"""`facet backbones` and what is said of resampled weights."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.common.terminal import tell_resampled


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["backbones", *arguments])


def test_names_are_listed_a_line_each() -> None:
    lines = run("vit_tiny_patch*384*").output.splitlines()
    assert lines == ["vit_tiny_patch16_384.augreg_in21k_ft_in1k  ViT        384x384"]
    assert run("test_resnet.r*").output.endswith("  resnet     160x160  heads alone\n")
    assert run("vit_base_patch16_plus_240").output.endswith("240x240  no weights\n")


def test_names_are_listed_as_json() -> None:
    assert json.loads(run("facet-tiny", "--json").output) == {
        "backbones": [
            {
                "name": "facet-tiny",
                "family": "Facet",
                "image_size": [48, 48],
                "pretrained": True,
                "prompts": True,
            }
        ]
    }
    assert json.loads(run("shvit", "--json").output) == {"backbones": []}


def test_a_pattern_that_nothing_matches_is_told() -> None:
    done = run("shvit")
    assert done.exit_code == 1
    assert "expected a part of a supported name, found 'shvit'" in done.output


@pytest.mark.parametrize("words", ["", "positions 4x4 -> 6x6 resampled"])
def test_what_was_resampled_is_a_line_on_stderr(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    network: Any = SimpleNamespace(name="net", resampled=words)
    assert tell_resampled(network) is network
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", f"net: {words}\n" if words else "")


def test_the_page_holds_the_table_of_the_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "backbones.md").read_text()
    _, _, rest = page.partition("<!-- table -->\n")
    table, _, _ = rest.partition("<!-- end of table -->")
    if f"Of timm {timm.__version__}," in page:  # another version has other names
        assert table == run("--table").output
    assert "| DINOv3 | 17 | 17 | prompts, adaptations, a head |" in table.splitlines()
