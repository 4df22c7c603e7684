"""The command `facet ablate`, on the embedded architecture with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from facet_vision.training.ablation.command import ablate

app = typer.Typer()
app.command()(ablate)

FAST = ("--device", "cpu", "--seeds", "0", "--epochs", 1)


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "400"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def _weights(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    safetensors.torch.save_file(timm.create_model("facet_tiny").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _weights(tmp_path_factory.mktemp("weights") / "random.safetensors", 0)


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for colour in ("red", "blue"):
        folder = tmp_path / "colours" / colour
        folder.mkdir(parents=True)
        for number in range(10):
            noise = rng.integers(0, 60, (20, 20, 3)) + 120 * np.array(
                [colour == "red", 0, colour == "blue"]
            )
            Image.fromarray(noise.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "colours"


def _cells(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_study_is_trained_and_reported(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    given = (
        *("depth", colours, "--out", out, "--checkpoint", checkpoint),
        *(*FAST, "--tokens", 2, "--values", "1, 8"),
    )
    code, stdout, stderr = _run(*given)
    assert code == 0, stderr
    assert f"writing the report, {out / 'depth.md'}\n" in stderr
    assert stdout == f"wrote {out / 'depth.md'}, {out / 'depth.json'}, {out / 'depth.png'}\n"
    assert "[1/7] " in stderr
    assert "last k layers 8 seed 0: accuracy " in stderr
    table = (out / "depth.md").read_text()
    assert f"| curve | prompted layers k | {colours} | trained parameters |" in table
    assert (
        f"| last k layers | 8 | {_percent(out, 'last k layers', '8')} | {8 * 2 * 160 + 322:,} |"
        in table
    )
    assert (
        f"| first k layers | 1 | {_percent(out, 'first k layers', '1')} | {2 * 160 + 322:,} |"
        in table
    )
    assert "| linear |  |" in table
    assert (out / "depth.png").stat().st_size > 5000
    # The three curves meet at 8 layers, where they share one training.
    assert len(_cells(out / "depth.jsonl")) == 5


def _percent(out: Path, curve: str, value: str) -> str:
    found = json.loads((out / "depth.json").read_text())["rows"]
    (row,) = [row for row in found if (row["curve"], row["value"]) == (curve, value)]
    return f"{100 * row['accuracy']['mean']:.1f}"


def test_the_same_command_trains_only_what_is_missing(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    given = (
        *("length", colours, "--out", out, "--checkpoint", checkpoint),
        *(*FAST, "--methods", "vpt-deep"),
    )
    assert _run(*given, "--values", "1")[0] == 0
    first = (out / "length.jsonl").read_bytes()
    code, _, stderr = _run(*given, "--values", "1,2")
    assert code == 0
    assert "vpt-deep 1 seed 0: accuracy" in stderr
    assert stderr.count("finished before") == 1
    cells = (out / "length.jsonl").read_bytes()
    assert cells.startswith(first)
    assert len(cells.splitlines()) == 2
    # With other hyperparameters nothing is finished.
    assert "finished before" not in _run(*given, "--values", "1", "--lr", "0.5")[2]


def test_options_reach_the_trainings(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "study.toml", tmp_path / "results"
    recipe.write_text("warmup = 0.25\nepochs = 9\n[vpt-shallow]\noptimizer = 'sgd'\n")
    code, _, stderr = _run(
        *("pooling", colours, "--out", out, "--values", "image", "--methods", "vpt-shallow"),
        *("--recipe", recipe, "--checkpoint", checkpoint, "--device", "cpu"),
        *("--seeds", "3,4", "--tokens", 2, "--epochs", 2, "--batch-size", 5),
        *("--lr", 0.01, "--head-lr", 0.02, "--weight-decay", 0.03),
        *("--precision", "bfloat16"),
    )
    assert code == 0, stderr
    expected = {
        "warmup": 0.25,
        "optimizer": "sgd",
        "tokens": 2,
        "epochs": 2,
        "batch_size": 5,
        "lr": 0.01,
        "head_lr": 0.02,
        "weight_decay": 0.03,
        "precision": "bfloat16",
    }
    cells = _cells(out / "pooling.jsonl")
    assert [cell["setting"]["recipe"]["seed"] for cell in cells] == [3, 4]
    for cell in cells:
        assert cell["setting"]["recipe"].items() >= expected.items()
        assert cell["setting"]["variant"] == {"pooling": "image"}
        assert cell["setting"]["method"] == "vpt-shallow"


def test_a_fraction_of_the_images_is_trained_on(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "results", tmp_path / "study.toml"
    recipe.write_text("holdout = 0.4\n")
    given = (
        *("--values", "0.5,1", "--methods", "linear"),
        *("--recipe", recipe, "--checkpoint", checkpoint),
    )
    code, _, stderr = _run("fraction", colours, "--out", out, *given, *FAST)
    assert code == 0, stderr
    outcomes = [cell["outcome"] for cell in _cells(out / "fraction.jsonl")]
    assert [outcome["training_images"] for outcome in outcomes] == [6, 12]
    assert [outcome["held_out_images"] for outcome in outcomes] == [8, 8]


def test_backbones_are_compared(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    other, out = _weights(tmp_path / "other.safetensors", 1), tmp_path / "results"
    values = f"facet-tiny={checkpoint},facet-tiny={other}"
    code, _, stderr = _run(
        "backbone", colours, "--out", out, "--values", values, "--methods", "linear", *FAST
    )
    assert code == 0, stderr
    assert len({cell["setting"]["fingerprint"] for cell in _cells(out / "backbone.jsonl")}) == 2


def test_images_with_several_labels_are_refused(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    files = sorted(colours.rglob("*.png"))
    lists = [[path.parent.name] if number else ["red", "blue"] for number, path in enumerate(files)]
    pq = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    table = tmp_path / "table.parquet"
    pq.write_table(arrow.table({"image": [str(path) for path in files], "label": lists}), table)
    code, _, stderr = _run(
        "length", table, "--out", tmp_path / "r", "--checkpoint", checkpoint, *FAST
    )
    assert code == 1
    assert f"data: expected one label for each image, found the multi-label set {table}" in stderr


def test_backbone_option(colours: Path, tmp_path: Path) -> None:
    code, _, stderr = _run(
        "length", colours, "--out", tmp_path / "r", "--backbone", "shvit_s1", *FAST
    )
    assert code == 1
    assert "backbone: expected one of the names" in stderr
    assert not (tmp_path / "r").exists()


def test_a_training_that_fails_does_not_end_the_study(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    recipe, out = tmp_path / "study.toml", tmp_path / "results"
    recipe.write_text("[below]\nlr = 1e30\n")
    given = (
        *("location", colours, "--out", out, "--methods", "vpt-shallow"),
        *("--checkpoint", checkpoint, *FAST),
    )
    code, stdout, stderr = _run(
        *given, "--values", "below,prepend", "--recipe", recipe, "--batch-size", 4
    )
    assert code == 4
    assert "below seed 0: failed: loss: expected a finite number" in stderr
    assert "1 trainings failed" in stderr
    assert "wrote" in stdout
    assert "| prepend |" in (out / "location.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected", "sentence"),
    [
        (["colour", "DATA"], 2, "study: expected one of location"),
        (["length", "nowhere"], 1, "data: expected"),
        (["length", "DATA", "--methods", "magic"], 1, "method: expected one of"),
        (
            ["length", "DATA", "--seeds", "one"],
            2,
            "seeds: expected whole numbers with commas between, found 'one'",
        ),
        (
            ["length", "DATA", "--tokens", "3"],
            1,
            "tokens: expected no value, which the study length varies, found 3",
        ),
        (
            ["length", "DATA", "--values", "0"],
            1,
            "length: expected a whole number from 1, found '0'",
        ),
        (["depth", "DATA", "--values", "99"], 1, "depth: expected at most 8"),
        (
            ["fraction", "DATA", "--methods", "linear", "--tokens", "3"],
            1,
            "tokens: expected no value, which no method of the study fraction uses, found 3",
        ),
        (["length", "DATA", "--device", "abacus"], 1, "device: expected"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    arguments: list[str],
    expected: int,
    sentence: str,
    colours: Path,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    out, given = tmp_path / "results", [colours if part == "DATA" else part for part in arguments]
    code, stdout, stderr = _run(*given, "--out", out, "--checkpoint", checkpoint)
    assert (code, stdout) == (expected, "")
    assert sentence in stderr
    assert "Traceback" not in stderr
    assert not out.exists()
