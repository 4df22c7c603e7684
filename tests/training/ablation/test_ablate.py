"""The command `facet ablate`, on the embedded architecture with random weights."""

import json
import shutil
from collections import Counter
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
from facet_vision.training.experiments import runs
from tests.training.support.in_process import workers

app = typer.Typer()
app.command()(ablate)

FAST = ("--device", "cpu", "--seeds", "0", "--epochs", 1, "--jobs", 1)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "workers", workers)


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


@pytest.mark.usefixtures("here")
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
    assert f"{colours} last k layers 1 seed 0: " in stderr
    logged = [line[20:] for line in (out / "depth.log").read_text().splitlines()]
    assert logged == stderr.splitlines()
    table = (out / "depth.md").read_text()
    assert "Hyperparameters were given, not searched." in table
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


def test_every_place_has_a_search_of_its_own_and_the_test_part_is_measured_once(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "results", tmp_path / "study.toml"
    recipe.write_text(
        "validation = 0.25\n[vpt-shallow]\nsearch = 'lr=0.1,0.2'\n"
        "[linear]\nsearch = 'lr=0.3,0.6'\n[pad]\ntokens = 3\nsearch = 'lr=5,9'\n"
    )
    given = (
        *("location", colours, "--out", out, "--checkpoint", checkpoint, *FAST),
        *("--methods", "vpt-shallow,linear", "--values", "prepend,pad", "--recipe", recipe),
        *("--tokens", 2),
    )
    code, _, stderr = _run(*given, "--seeds", "1,2", "--jobs", 2)
    assert code == 0, stderr
    lines = _cells(out / "location.jsonl")
    kinds = Counter(next(iter(line["setting"])) for line in lines)
    assert kinds == {"trial": 6, "choice": 3, "final": 6}
    for line in lines:
        (kind, setting), outcome = line["setting"].popitem(), line["outcome"]
        if kind == "trial":
            assert setting["recipe"]["measure_on"] == "validation"
            assert setting["recipe"]["seed"] == 1
        elif kind == "final":
            assert outcome["recipe"]["measure_on"] == "test"
            assert (outcome["training_images"], outcome["held_out_images"]) == (16, 4)
    document = json.loads((out / "location.json").read_text())
    rates = {(cell["value"], cell["curve"]): cell["chosen"]["lr"] for cell in document["cells"]}
    assert rates["prepend", "vpt-shallow"] in (0.1, 0.2)
    assert rates["pad", "vpt-shallow"] in (5, 9)
    assert rates["", "linear"] in (0.3, 0.6)
    table = (out / "location.md").read_text()
    assert "Each place on each task has its own search of 2 trials on a validation part" in table
    assert "| vpt-shallow | pad | lr " in table
    _check_protocol(given, out, recipe)


def _check_protocol(given: tuple[object, ...], out: Path, recipe: Path) -> None:
    protocol = json.loads((out / "location.protocol.json").read_text())
    assert protocol["facts"]["points"]["vpt-shallow pad"]["grid"] == {"lr": [5, 9]}
    assert protocol["digest"][:12] in (out / "location.md").read_text()
    before = (out / "location.jsonl").read_bytes()
    recipe.write_text(recipe.read_text().replace("lr=0.3,0.6", "lr=0.3,0.7"))
    code, _, stderr = _run(*given, "--seeds", "1,2")
    assert code == 1
    assert "points.linear.grid.lr: expected [0.3, 0.6], as in " in stderr
    recipe.write_text(recipe.read_text().replace("lr=0.3,0.7", "lr=0.3,0.7,0.8"))
    code, _, stderr = _run(*given, "--seeds", "1,2")
    assert code == 1
    assert (
        "trials of the search: expected the same for all, found 2 for vpt-shallow prepend and 3"
        in stderr
    )
    assert (out / "location.jsonl").read_bytes() == before


def _percent(out: Path, curve: str, value: str) -> str:
    found = json.loads((out / "depth.json").read_text())["rows"]
    (row,) = [row for row in found if (row["curve"], row["value"]) == (curve, value)]
    return f"{100 * row['accuracy']['mean']:.1f}"


@pytest.mark.usefixtures("here")
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
    assert "vpt-deep 2 seed 0: " in stderr
    assert stderr.count("finished before") == 1
    cells = (out / "length.jsonl").read_bytes()
    assert cells.startswith(first)
    assert len(cells.splitlines()) == 2
    assert "Added later: points vpt-deep 2, after 1 final" in (out / "length.md").read_text()
    (out / "length.jsonl").write_bytes(first)
    code, _, stderr = _run(*given, "--values", "1,2", "--no-train")
    assert code == 4
    assert "1 trainings are missing" in stderr
    # other hyperparameters are another protocol
    assert (
        "points.vpt-deep 1.recipe.lr: expected" in _run(*given, "--values", "1,2", "--lr", "0.5")[2]
    )


@pytest.mark.usefixtures("here")
def test_options_reach_the_trainings(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "study.toml", tmp_path / "results"
    recipe.write_text("warmup = 0.25\nepochs = 9\n[vpt-shallow]\noptimizer = 'sgd'\n")
    code, _, stderr = _run(
        *("pooling", colours, "--out", out, "--values", "image", "--methods", "vpt-shallow"),
        *("--recipe", recipe, "--checkpoint", checkpoint, "--device", "cpu"),
        *("--jobs", 1, "--seeds", "3,4", "--tokens", 2, "--epochs", 2, "--batch-size", 5),
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
    assert [cell["setting"]["final"]["seed"] for cell in cells] == [3, 4]
    for cell in cells:
        assert cell["outcome"]["recipe"].items() >= expected.items()
        assert cell["setting"]["final"]["varied"] == {"variant": {"pooling": "image"}}
        assert cell["setting"]["final"]["method"] == "vpt-shallow"


@pytest.mark.usefixtures("here")
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


@pytest.mark.usefixtures("here")
def test_a_task_with_fewer_images_leaves_a_size_out(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """Ten images of each class, eight of them to learn from."""
    out, more = tmp_path / "results", tmp_path / "more"
    shutil.copytree(colours, more)
    for number, path in enumerate(sorted(more.rglob("*.png"))):
        shutil.copy(path, path.with_name(f"copy-{number}.png"))
    recipe = tmp_path / "study.toml"
    recipe.write_text("shots = 3\n[linear]\nsearch = 'lr=0.1,0.5'\n")
    given = ("--values", "5,9,100", "--methods", "linear", "--recipe", recipe)
    code, _, stderr = _run(
        "size", colours, more, "--out", out, *given, "--checkpoint", checkpoint, *FAST
    )
    assert code == 0, stderr
    assert (
        f"{colours}: 9 images per class are left out, the smallest class has 8 training images\n"
        in stderr
    )
    assert f"{more}: 100 images per class are left out, " in stderr
    outcomes = [cell["outcome"] for cell in _cells(out / "size.jsonl")]
    assert [each["training_images"] for each in outcomes if "training_images" in each] == [
        *(10, 10, 18)
    ]
    rows = json.loads((out / "size.json").read_text())["rows"]
    assert [(row["value"], [*row["accuracy"]]) for row in rows] == [
        ("5", [str(colours), str(more), "mean"]),
        ("9", [str(more)]),
    ]


@pytest.mark.usefixtures("here")
def test_backbones_are_compared(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    other, out = _weights(tmp_path / "other.safetensors", 1), tmp_path / "results"
    values = f"facet-tiny={checkpoint},facet-tiny={other}"
    code, _, stderr = _run(
        "backbone", colours, "--out", out, "--values", values, "--methods", "linear", *FAST
    )
    assert code == 0, stderr
    varied = [cell["setting"]["final"]["varied"] for cell in _cells(out / "backbone.jsonl")]
    assert len({each["fingerprint"] for each in varied}) == 2


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


@pytest.mark.usefixtures("here")
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
    assert "1 trainings are missing" in stderr
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
        (["size", "DATA", "--values", "99"], 1, "values: expected one that a task has, found none"),
        (["size", "DATA", "--shots", "9"], 1, "shots: expected no value, which the study size"),
        (["length", "DATA", "--search", "lr=x"], 1, "search: expected"),
        (
            ["size", "DATA", "--values", "5", "--search", "lr=0.1", "--validation", "0.1"],
            1,
            "validation: expected at least one of 5 images of each class, found 0.1",
        ),
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
