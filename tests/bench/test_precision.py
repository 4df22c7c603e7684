"""The precision benchmark compares answers to the same images."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.bench.precision import measure_task
from facet_vision.cli import app
from facet_vision.prompts_store import builtin


def test_a_precision_loses_nothing_to_itself() -> None:
    net = backbone.load("facet-tiny", device="cpu")
    found = measure_task(net, net, "digits", 40)
    assert (found["images"], found["loss"], found["same"], found["difference"]) == (40, 0, 1, 0)
    assert found["float32"] == found["lower"] > 0.8


def test_the_command_writes_a_row_for_each_task_and_their_mean(tmp_path: Path) -> None:
    options = ["--dtype", "bfloat16", "--tasks", "textures,count", "--images", "30"]
    options += ["--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["bench", "precision", *options])
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "precision.json").read_text())["sections"]["Accuracy"]
    assert [(row["task"], row["images"]) for row in rows] == [
        ("textures", 30),
        ("count", 30),
        ("mean", 60),
    ]
    # Another precision, but the same function.
    assert 0 < max(row["difference"] for row in rows) < 0.5
    assert "float32, %" in done.output


def test_unknown_names_are_refused() -> None:
    refused = {("--dtype", "int8"): 2, ("--tasks", "cats"): 1, ("--images", "1"): 2}
    for options, status in refused.items():
        assert CliRunner().invoke(app, ["bench", "precision", *options]).exit_code == status


@pytest.fixture(scope="module")
def both() -> tuple[backbone.Backbone, backbone.Backbone]:
    """The embedded backbone in float32 and in bfloat16."""
    exact, lower = (
        backbone.load("facet-tiny", device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16")
    )
    return exact, lower


@pytest.mark.parametrize("task", builtin.names())
def test_bfloat16_answers_the_builtin_tasks_as_float32_does(
    both: tuple[backbone.Backbone, backbone.Backbone], task: str
) -> None:
    found = measure_task(*both, task, 150)
    # Which images flip depends on the processor, and a gain is no loss.
    assert found["same"] >= 0.97
    assert found["loss"] <= 0.02
