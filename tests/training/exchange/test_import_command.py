"""`facet import peft` on a command line, and what it writes on a server."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.backbone.checkpoints import load_checkpoint
from facet_vision.backbone.tiny import WEIGHTS
from facet_vision.cli import app
from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.training.exchange.adapters import adapted

pytest.importorskip("peft", reason="peft is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")

SAMPLE = Path(__file__).parents[3] / "prompts_store/builtin/samples/digits/6-5.png"


def facet(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `facet import peft`."""
    result = CliRunner().invoke(
        app, ["import", "peft", *map(str, arguments)], env={"COLUMNS": "400"}
    )
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Any, Path]:
    """An adapter of the embedded backbone, and its folder."""
    base = timm.create_model("facet_tiny", num_classes=3)
    load_checkpoint(base, WEIGHTS)
    folder = tmp_path / "adapter"
    return adapted(base, folder, target_modules=["qkv", "fc2"], modules_to_save=["head"]), folder


def test_an_adapter_is_served_as_it_was_trained(trained: tuple[Any, Path], tmp_path: Path) -> None:
    model, folder = trained
    out = tmp_path / "pets.safetensors"
    given = ("--backbone", "facet-tiny", "--task", "pets", "--labels", "cat,dog,eel", "--out", out)
    code, printed, warned = facet(folder, *given)
    assert (code, printed.splitlines()) == (
        0,
        [
            "pets: 3 labels (lora, facet-tiny)",
            f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)",
        ],
    )
    assert "do not tell the weights of their base (has no name)" in warned
    net = backbone.load("facet-tiny", device="cpu")
    image = net.preprocess.batch([net.preprocess.decode(SAMPLE.read_bytes())])
    with torch.no_grad():
        expected = model(image).softmax(-1)[0].tolist()
    settings = Settings(builtin=False, device="cpu", dtype="float32", execution="plain")
    served = create_app(settings, store=open_store("memory:"), backbone=net)
    with TestClient(served, base_url="http://localhost") as client:
        published = client.post(
            "/v1/tasks/pets/versions",
            content=out.read_bytes(),
            headers={"Content-Type": "application/octet-stream"},
        )
        assert published.status_code == 201, published.text
        answer = client.post(
            "/v1/tasks/pets/predict",
            content=SAMPLE.read_bytes(),
            headers={"Content-Type": "image/png"},
        ).json()
    found = {each["label"]: each["probability"] for each in answer["results"][0]["predictions"]}
    assert found == pytest.approx(dict(zip(("cat", "dog", "eel"), expected, strict=True)), abs=1e-5)


def test_labels_of_a_config_beside_it(trained: tuple[Any, Path], tmp_path: Path) -> None:
    folder, out = trained[1], tmp_path / "pets.safetensors"
    config = {"id2label": {"0": "a", "1": "b", "2": "c"}}
    (folder / "config.json").write_text(json.dumps(config))
    given = ("--backbone", "facet-tiny", "--task", "pets", "--out", out)
    assert facet(folder, *given, "--checkpoint", WEIGHTS)[0] == 0
    manifest = TaskFile.load(out).manifest
    assert (manifest.labels, manifest.activation) == (("a", "b", "c"), "softmax")
    assert facet(folder, *given, "--multi-label")[0] == 0
    assert TaskFile.load(out).manifest.activation == "sigmoid"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("--out", "none/x"), 2, "out: expected a file name in a folder that exists"),
        ((), 1, "labels: expected names with commas between or a file"),
        (("--labels", "a,b"), 1, "labels: expected 3, as the head has, found 2"),
        (("--labels", "a,b,c", "--task", "no name"), 1, "manifest field 'task'"),
        (
            ("--labels", "a,b,c", "--checkpoint", "none.bin"),
            1,
            "checkpoint: expected a file, found nothing",
        ),
    ],
)
def test_refusals(
    trained: tuple[Any, Path], given: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    defaults = ("--backbone", "facet-tiny", "--task", "pets", "--out", tmp_path / "x.safetensors")
    found, _, said = facet(trained[1], *defaults, *given)
    assert (found, said.count("\n")) == (code, 1)
    assert said.startswith("facet import peft: ")
    assert words in said
    assert not (tmp_path / "x.safetensors").exists()


def test_the_adapter_is_looked_at_before_the_backbone(tmp_path: Path) -> None:
    given = ("--backbone", "no-such-network", "--task", "pets", "--out", tmp_path / "x")
    assert "adapter_config.json: expected one" in facet(tmp_path, *given)[2]
