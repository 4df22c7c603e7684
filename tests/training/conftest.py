"""A very small backbone and problems that it can learn."""

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from facet_vision import backbone
from facet_vision.training.data.datasets import TaskData
from tests.training.support.small import shades_of_grey, small_vit


@pytest.fixture(scope="session")
def tiny() -> backbone.Backbone:
    return small_vit()


@pytest.fixture(scope="session")
def shades() -> TaskData:
    return shades_of_grey()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the embedded architecture."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = timm.create_model("facet_tiny").state_dict()
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    safetensors.torch.save_file(weights, path)
    return path


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Five images of each of two classes."""
    for colour in ("red", "blue"):
        folder = tmp_path / "colours" / colour
        folder.mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (20 + number, 20), colour).save(folder / f"{number}.png")
    return tmp_path / "colours"
