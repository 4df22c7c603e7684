"""The command `facet compare`, on the embedded architecture with random weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from facet_vision.training.comparison.command import compare

app = typer.Typer()
app.command()(compare)

HOLD = """
import sys
from pathlib import Path
from facet_vision.training.locking import locked
with locked(Path(sys.argv[1]), "out"):
    print("held", flush=True)
    sys.stdin.read()
"""
"""Holds a folder until it is killed."""


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "400"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    torch.manual_seed(0)
    safetensors.torch.save_file(
        timm.create_model("facet_tiny").state_dict(), folder / "random.safetensors"
    )
    for colour in ("red", "blue"):
        for number in range(10):
            path = folder / "colours" / colour / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20 + number, 20), colour).save(path)
    (folder / "recipe.toml").write_text(
        '[vpt-deep]\nsearch = "lr=0.1,0.2"\n[linear]\nsearch = "weight_decay=0.5,0.6"\n'
    )
    return folder


def test_a_comparison_from_images_to_report(place: Path) -> None:
    out = place / "out"
    torn = next((place / "colours").rglob("*.png")).with_name("torn.png")
    torn.write_bytes(b"no image")
    command = (
        *(f"plain={place / 'colours'}", "--methods", "vpt-deep,linear", "--seeds", "1,2"),
        *("--out", out, "--recipe", place / "recipe.toml"),
        *("--checkpoint", place / "random.safetensors", "--shots", 5),
        *("--epochs", 1, "--tokens", 2, "--batch-size", 4, "--validation", 2, "--device", "cpu"),
    )
    code, stdout, stderr = _run(*command, "--jobs", 2)
    torn.unlink()
    assert code == 0, stderr
    assert f"wrote {out / 'README.md'}" in stdout
    assert stderr.count(f"{place / 'colours'}: skipped {torn}: image: expected ") == 1
    assert "[8/8]" in stderr
    assert stderr.endswith(f"writing the report, {out / 'README.md'}\n")
    logged = [line[20:] for line in (out / "compare.log").read_text().splitlines()]
    assert logged == stderr.splitlines()
    _check_numbers(json.loads((out / "comparison.json").read_text()), place)
    protocol = json.loads((out / "protocol.json").read_text())
    assert protocol["digest"] in (out / "README.md").read_text()
    assert protocol["digest"] in (out / "cells.md").read_text()
    _check_later_commands(command, out)


def _check_numbers(numbers: dict, place: Path) -> None:
    assert numbers["groups"] == {"plain": [str(place / "colours")]}
    cells = numbers["cells"]
    assert [(cell["method"], cell["seed"]) for cell in cells] == [
        ("vpt-deep", 1),
        ("vpt-deep", 2),
        ("linear", 1),
        ("linear", 2),
    ]
    assert [cell["parameters"] for cell in cells[::2]] == [8 * 2 * 160 + 2 * 161, 2 * 161]
    assert {(cell["training_images"], cell["held_out_images"]) for cell in cells} == {(10, 4)}
    assert cells[0]["chosen"]["lr"] in (0.1, 0.2)
    assert cells[0]["ends"].keys() == {"lr"}
    assert cells[2]["chosen"].keys() == {"weight_decay"}


def _check_later_commands(command: tuple[object, ...], out: Path) -> None:
    code, _, stderr = _run(*command)
    assert code == 0, stderr
    assert stderr.count("(finished before)") == 4
    for change, message in (
        (("--shots", 4), "split.shots: expected 5, as in "),
        (("--seeds", "1"), "seeds: expected [1, 2], as in "),
        (("--search", "lr=0.1,0.3"), "methods.vpt-deep.grid.lr: expected [0.1, 0.2], as in "),
        (("--no-train", "--seeds", "1,2,3"), "protocol: expected that of "),
    ):
        code, _, stderr = _run(*command, *change)
        assert code == 1
        assert stderr.startswith(f"facet compare: {message}")
        assert stderr.count("\n") == 1
    finished = (out / "cells.jsonl").read_text().splitlines(keepends=True)
    (out / "cells.jsonl").write_text("".join(finished[:-2]))
    code, _, stderr = _run(*command, "--no-train")
    assert code == 4
    assert stderr.endswith(
        "facet compare: 2 trainings are missing; the same command tries them again\n"
    )


def test_a_folder_is_one_commands_at_a_time(place: Path) -> None:
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place / "held")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with held:
        assert held.stdout is not None
        held.stdout.readline()
        code, _, stderr = _run(
            *(place / "colours", "--out", place / "held", "--device", "cpu"),
            *("--checkpoint", place / "random.safetensors"),
        )
        held.kill()
    assert code == 1
    assert stderr == (
        "facet compare: out: expected a folder that no training is using, "
        f"found {place / 'held'} in use\n"
    )


@pytest.mark.parametrize(
    ("given", "expected", "message"),
    [
        (("--methods", "linear,nothing"), 2, "method: expected one of "),
        (("--seeds", "x"), 2, "seeds: expected whole numbers with commas between, found 'x'"),
        (("--search", "lr"), 2, "search: expected "),
        (("--search", "tokens=1,2"), 2, "search: expected hyperparameters that "),
        (("--no-train",), 1, "comparison: expected a training that succeeds, found none"),
        (("--fraction", "0.5", "--shots", "3"), 2, "shots and fraction: expected one of them"),
        (("--backbone", "shvit_s1"), 1, "shvit_s1"),
        (("--precision", "int3"), 2, "precision: "),
        (
            ("--methods", "linear,full", "--tokens", "3"),
            2,
            "tokens: expected no value, which no method of the comparison uses, found 3",
        ),
    ],
)
def test_what_cannot_be_compared_ends_in_a_sentence(
    place: Path, given: tuple[str, ...], expected: int, message: str
) -> None:
    weights = () if "--backbone" in given else ("--checkpoint", place / "random.safetensors")
    code, stdout, stderr = _run(
        place / "colours", "--out", place / "other", "--device", "cpu", *weights, *given
    )
    assert code == expected
    assert stdout == ""
    assert stderr.startswith("facet compare: ")
    assert message in stderr
    assert stderr.count("\n") == 1
