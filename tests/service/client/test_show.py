"""`facet show`: what a task file holds, from its header."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.cli import app
from facet_vision.prompts_store import TaskFile, builtin
from tests.prompts_store.instant.examples import instant_file
from tests.service.support.app import DEPTH, DIM, SIDE, task_file


def show(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["show", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def file(small: Backbone, tmp_path: Path) -> Path:
    """A task of several labels whose metrics are not in the order in which they are shown."""
    metrics = {
        "held_out_images": 40.0,
        "macro_f1": 0.5,
        "mean_average_precision": 0.75,
        "validation_mean_average_precision": 0.7,
    }
    task = task_file(
        small,
        "pets",
        layers=DEPTH,
        labels=[f"label{number}" for number in range(25)],
        activation="sigmoid",
        metrics=metrics,
        recipe={"epochs": 3, "side": None},
        description="pets\nand\x1b[31m others",
    )
    task.save(tmp_path / "pets.safetensors")
    return tmp_path / "pets.safetensors"


def test_an_instant_task(tmp_path: Path) -> None:
    instant_file("lda", (3, 2, 4)).save(tmp_path / "task")
    code, stdout, _ = show(tmp_path / "task")
    assert code == 0
    assert "lda, 4, of 9 examples of 3 labels, softmax" in stdout
    shown = json.loads(show(tmp_path / "task", "--json")[1])
    assert shown["examples"] == {"counts": [3, 2, 4], "scale": 1.0, "neighbours": None}
    assert shown["tensors"]["examples.features"] == {"dtype": "F32", "shape": [9, 4]}


def test_for_people(file: Path, small: Backbone) -> None:
    code, stdout, _ = show(file)
    assert code == 0
    rows = dict(line.split("  ", 1) for line in stdout.splitlines())
    shown = {name: value.strip() for name, value in rows.items()}
    size = file.stat().st_size / 1000
    assert shown == {
        "task": "pets",
        "description": "pets and [31m others",
        "metrics": "mean average precision 0.750, macro F1 0.500, "
        "validation mean average precision 0.700 on 40 held-out images",
        "labels": f"25: {', '.join(f'label{number}' for number in range(20))}, and 5 more",
        "method": "vpt-deep",
        "backbone": f"small, {SIDE} x {SIDE} pixels, token pooling",
        "fingerprint": small.fingerprint,
        "prompts": f"{DEPTH} layers of 3 tokens x {DIM}",
        "head": f"linear, {DIM} to 25, sigmoid",
        "size": f"{size:.0f} kB, F32",
        "data": "random",
        "recipe": "epochs 3",
        "created": "2025-01-01 00:00 UTC",
    }


def test_for_programs(file: Path) -> None:
    code, stdout, _ = show(file, "--json")
    assert code == 0
    found = json.loads(stdout)
    task = TaskFile.load(file)
    manifest = json.loads(task.manifest.to_json())
    assert {name: found[name] for name in manifest} == manifest
    assert next(iter(found["metrics"])) == "mean_average_precision"
    assert list(found["metrics"])[-1] == "held_out_images"
    assert found["size"] == file.stat().st_size
    assert {name: tuple(each["shape"]) for name, each in found["tensors"].items()} == {
        name: tuple(tensor.shape) for name, tensor in task.tensors().items()
    }


@pytest.mark.parametrize("name", builtin.names())
def test_the_demo_tasks(name: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(builtin.read(name))
    code, stdout, _ = show(tmp_path / "t")
    assert code == 0
    assert stdout.splitlines()[2].startswith("metrics      accuracy 0.")


def test_what_is_no_task_file_is_one_sentence(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[:-5])
    for path, code, words in (
        (cut, 1, f"facet show: {cut}: tensor bytes: expected "),
        (tmp_path / "none", 2, "does not exist"),
    ):
        found, stdout, stderr = show(path)
        assert (found, stdout) == (code, "")
        assert words in " ".join(stderr.replace("│", " ").split())
