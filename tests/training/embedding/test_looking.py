"""The commands `facet tsne` and `facet attention`.

On the embedded architecture with random weights.
"""

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

from facet_vision import backbone
from facet_vision.training.attention.command import attention
from facet_vision.training.data.datasets import load
from facet_vision.training.embedding.command import tsne
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.train import train_task

app = typer.Typer()
app.command()(tsne)
app.command()(attention)


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "400"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights, a data set and task files."""
    folder = tmp_path_factory.mktemp("place")
    torch.manual_seed(0)
    safetensors.torch.save_file(
        timm.create_model("facet_tiny").state_dict(), folder / "weights.safetensors"
    )
    rng = np.random.default_rng(0)
    for colour in ("red", "blue"):
        (folder / "colours" / colour).mkdir(parents=True)
        for number in range(10):
            noise = rng.integers(0, 60, (20, 20, 3)) + 120 * np.array(
                [colour == "red", 0, colour == "blue"]
            )
            Image.fromarray(noise.astype(np.uint8)).save(
                folder / "colours" / colour / f"{number}.png"
            )
    net = backbone.load("facet-tiny", checkpoint=folder / "weights.safetensors", device="cpu")
    for method in ("vpt-deep", "vpt-shallow", "linear", "lora", "partial-1", "full"):
        given = {"data": str(folder / "colours"), "task": "colours", "method": method}
        recipe = new_recipe(**given, epochs=1, holdout=0.5, seed=3)
        data = load(recipe.data, seed=3, holdout=0.5)
        train_task(net, data, recipe).save(folder / f"{method}.safetensors")
    return folder


def _tsne(
    place: Path, *arguments: object, files: tuple[str, ...] = ("vpt-deep",)
) -> tuple[int, str, str]:
    paths = [place / f"{name}.safetensors" for name in files]
    weights = ("--checkpoint", place / "weights.safetensors", "--device", "cpu")
    return _run("tsne", place / "colours", *paths, *weights, *arguments)


def test_features_side_by_side(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "tsne.png"
    (tmp_path / "reds.safetensors").write_bytes((place / "partial-1.safetensors").read_bytes())
    files = ("vpt-deep", "vpt-shallow", "linear", "lora", "full", str(tmp_path / "reds"))
    code, stdout, stderr = _tsne(place, "--out", out, "--neighbours", 3, files=files)
    assert code == 0, stderr
    bare, deep, shallow, linear, lora, full, partial, last = stdout.splitlines()
    assert bare.startswith("no prompts: silhouette ")
    assert deep.startswith("vpt-deep: silhouette ")
    assert deep.endswith(" %")
    assert ", 3-NN accuracy " in shallow
    assert linear.partition(":")[2] == bare.partition(":")[2]
    assert partial.startswith("partial-1 (reds): ")
    assert lora.startswith("lora: ")
    assert full.startswith("full: ")
    assert last == f"wrote {out}, {tmp_path / 'tsne.json'}"
    assert out.read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "tsne.json").read_text())
    assert (found["backbone"], found["images"], found["neighbours"]) == ("facet-tiny", 10, 3)
    assert [panel["file"] for panel in found["panels"]] == [
        *(None, "vpt-deep.safetensors", "vpt-shallow.safetensors", "linear.safetensors"),
        *("lora.safetensors", "full.safetensors", "reds.safetensors"),
    ]
    (vpt,) = [panel for panel in found["panels"] if panel["title"] == "vpt-deep"]
    shown = f"silhouette {vpt['silhouette']:.2f}, 3-NN accuracy {100 * vpt['neighbours']:.1f} %"
    assert deep == f"vpt-deep: {shown}"


def test_a_file_that_learned_from_the_images_is_refused(place: Path, tmp_path: Path) -> None:
    net = backbone.load("facet-tiny", checkpoint=place / "weights.safetensors", device="cpu")
    given = {"data": str(place / "colours"), "task": "colours", "method": "linear", "epochs": 1}
    recipe = new_recipe(**given, holdout=0.5, seed=4)
    other = train_task(net, load(recipe.data, seed=4, holdout=0.5), recipe)
    other.save(tmp_path / "other.safetensors")
    files = ("vpt-deep", str(tmp_path / "other"))
    code, _, stderr = _tsne(place, "--out", tmp_path / "x.png", files=files)
    assert code == 1
    assert (
        "other.safetensors: expected a task with the held-out images of vpt-deep.safetensors, "
        "found one with others; train both with one seed and holdout\n" in stderr
    )
    assert not (tmp_path / "x.png").exists()


def test_images_that_were_held_out_in_training_are_shown(place: Path, tmp_path: Path) -> None:
    """Show half of each class, drawn by the seed of the training."""
    out = tmp_path / "figure.svg"
    assert _tsne(place, "--out", out, "--projection", "pca")[0] == 0
    assert "PCA of 10 held-out images" in _text(out)
    assert (
        _tsne(place, "--out", out, "--projection", "pca", "--images", 6, "--neighbours", 2)[0] == 0
    )
    assert "PCA of 6 held-out images" in _text(out)


def _text(svg: Path) -> str:
    """Return the text of a figure; matplotlib writes it as a comment beside its outlines."""
    return svg.read_text()


def test_seed_draws_the_images(place: Path, tmp_path: Path) -> None:
    first, same, other = (tmp_path / f"{name}.png" for name in ("first", "same", "other"))
    for out, seed in ((first, 0), (same, 0), (other, 1)):
        given = (
            *("--out", out, "--images", 6, "--neighbours", 2),
            *("--seed", seed, "--projection", "pca"),
        )
        assert _tsne(place, *given)[0] == 0
    assert first.read_bytes() == same.read_bytes() != other.read_bytes()


def test_backbone_of_the_file_or_another(place: Path, tmp_path: Path) -> None:
    code, _, stderr = _tsne(
        place, "--out", tmp_path / "x.png", "--backbone", "vit_tiny_patch16_224"
    )
    assert code == 1
    assert "checkpoint weights.safetensors: expected the weights of this architecture" in stderr


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (
            ("--out", "x.png", "--projection", "map"),
            1,
            "projection: expected one of tsne, pca, umap, found 'map'",
        ),
        (("--out", "none/x.png"), 2, "out: expected a file name in a folder that exists, found"),
        (("--out", "x.txt"), 2, "out: expected a name that ends in one of"),
        (
            ("--out", "x.png", "--neighbours", 0),
            1,
            "neighbours: expected a number from 1 to 9, found 0",
        ),
        (("--out", "x.png", "--device", "abacus"), 1, "device: expected"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: tuple,
    status: int,
    sentence: str,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, stderr = _tsne(place, *arguments)
    assert code == status
    assert sentence in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.iterdir())


# Attention


def _attention(place: Path, task: str, *arguments: object) -> tuple[int, str, str]:
    images = [place / "colours" / colour / "0.png" for colour in ("red", "blue")]
    weights = ("--checkpoint", place / "weights.safetensors", "--device", "cpu")
    return _run("attention", place / f"{task}.safetensors", *images, *weights, *arguments)


@pytest.mark.parametrize("task", ["vpt-deep", "vpt-shallow"])
def test_attention_is_drawn(task: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "attention.png"
    code, stdout, stderr = _attention(place, task, "--out", out, "--layer", 2)
    assert code == 0, stderr
    red, blue, last = stdout.splitlines()
    assert red.startswith("0.png: ")
    assert blue.endswith(" % of the attention in layer 2 is on prompts or learned keys")
    assert last == f"wrote {out}"
    assert out.read_bytes().startswith(b"\x89PNG")


def test_last_layer_unless_another_is_named(place: Path, tmp_path: Path) -> None:
    default, last, first = (
        _attention(place, "vpt-deep", "--out", tmp_path / "x.png", *more)[1]
        for more in ((), ("--layer", 8), ("--layer", 1))
    )
    assert default == last
    assert default != first


@pytest.mark.parametrize(
    ("task", "arguments", "sentence"),
    [
        ("linear", (), "task: expected one that changes the forward, found linear"),
        ("partial-1", (), "expected a task"),
        ("vpt-deep", ("--layer", 9), "layer: expected a number from 1 to 8, found 9"),
        ("vpt-deep", ("--backbone", "shvit_s1"), "backbone: expected one of"),
        ("vpt-deep", ("--device", "abacus"), "device: expected"),
    ],
)
def test_mistakes_in_attention(
    task: str, arguments: tuple, sentence: str, place: Path, tmp_path: Path
) -> None:
    code, _, stderr = _attention(place, task, "--out", tmp_path / "x.png", *arguments)
    assert code == 1
    assert sentence in stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_image(place: Path, tmp_path: Path) -> None:
    code, _, stderr = _run(
        *("attention", place / "vpt-deep.safetensors", place / "weights.safetensors"),
        *("--out", tmp_path / "x.png"),
        *("--checkpoint", place / "weights.safetensors", "--device", "cpu"),
    )
    assert code == 1
    assert "weights.safetensors: image: expected one of" in stderr
