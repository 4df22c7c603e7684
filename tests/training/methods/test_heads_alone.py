"""On a network without prompts: methods that make a head, and the sentence for all others."""

from pathlib import Path

import pytest
import timm
import torch

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import find
from facet_vision.training.train import train_task
from tests.training.support.methods import INSTANT, NAMES, method, recipe

HEADS = ["linear", "mlp-2", *INSTANT]


@pytest.fixture(scope="module")
def net() -> Backbone:
    torch.manual_seed(0)
    return backbone.wrap(timm.create_model("test_resnet", num_classes=0), name="net", device="cpu")


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_trained_and_written(
    name: str, net: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    made = train_task(net, shades, recipe(name, epochs=2))
    assert isinstance(made, TaskFile)
    made.save(tmp_path / "task")
    task = TaskFile.load(tmp_path / "task")
    task.check_fits(net)
    assert not task.prompts
    assert not task.parts
    assert (task.manifest.method, task.manifest.labels) == (name, shades.labels)
    assert task.manifest.metrics["held_out_images"] == 15


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HEADS])
def test_every_other_method_is_refused_by_a_sentence(name: str, net: Backbone) -> None:
    assert not find(name).extracts
    with pytest.raises(
        TrainingError,
        match="^method: expected linear, mlp-k, ncm, knn or lda, since 'net' takes no prompts and "
        f"adaptations, found {name.replace('+', '.')!r}$",
    ):
        method(name, net)
