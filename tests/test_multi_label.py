"""Several labels on an image, from the table to the answer of the server."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from timm.models.vision_transformer import VisionTransformer

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from facet_vision.training.data.reading import read_data
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.train import train_task
from tests.service.support.app import ask, small_backbone, upload

SIDE = 32
MEANINGS = {"": set(), "r": {"red"}, "b": {"blue"}, "rb": {"red", "blue"}}


@pytest.fixture(scope="module")
def net() -> Backbone:
    """A random ViT that sees its images: timm's initial weights are too small for that."""
    net = small_backbone()
    model = VisionTransformer(
        img_size=SIDE, patch_size=16, embed_dim=32, depth=2, num_heads=2, num_classes=0
    )
    model.load_state_dict(
        {k: v * 8 if v.ndim > 1 else v for k, v in net.model.state_dict().items()}
    )
    return backbone.wrap(model, name="small", device="cpu")


def _photo(kind: str, rng: np.random.Generator) -> Image.Image:
    """Noise, bright in red, in blue, in both or neither."""
    pixels = rng.integers(0, 100, (SIDE, SIDE, 3))
    pixels[..., 0] += 150 * ("r" in kind)
    pixels[..., 2] += 150 * ("b" in kind)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng, rows = np.random.default_rng(0), ["image,label"]
    for number in range(48):
        kind = list(MEANINGS)[number % 4]
        _photo(kind, rng).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{';'.join(MEANINGS[kind])}")
    (tmp_path / "photos.csv").write_text("\n".join(rows))
    return tmp_path / "photos.csv"


@pytest.mark.parametrize(("method", "rate"), [("linear", 0.2), ("vpt-deep", 1.0)])
def test_every_label_is_answered_by_itself(
    net: Backbone, table: Path, method: str, rate: float
) -> None:
    recipe = new_recipe(
        data=str(table),
        label_separator=";",
        task="colours",
        method=method,
        epochs=30,
        lr=rate,
        batch_size=16,
    )
    task = train_task(net, read_data(recipe), recipe)
    assert isinstance(task, TaskFile)
    assert task.manifest.activation == "sigmoid"
    assert next(iter(task.manifest.metrics)) == "mean_average_precision"
    assert task.manifest.metrics["mean_average_precision"] > 0.95
    app = create_app(Settings(), store=open_store("memory:"), backbone=net)
    with TestClient(app, "http://localhost") as client:
        upload(client, task)
        right = sum(
            _answer(client, kind, seed) == MEANINGS[kind] for kind in MEANINGS for seed in range(5)
        )
    assert right >= 18


def _answer(client: TestClient, kind: str, seed: int) -> set[str]:
    """The labels with a probability of at least one half, for a photo that was not trained on."""
    buffer = io.BytesIO()
    _photo(kind, np.random.default_rng([1, seed])).save(buffer, "PNG")
    (result,) = ask(client, "colours", buffer.getvalue()).json()["results"]
    return {each["label"] for each in result["predictions"] if each["probability"] >= 0.5}
