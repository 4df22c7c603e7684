"""What precision "auto" stands for."""

import torch

from facet_vision.backbone import Backbone, has_bfloat16
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.methods import find
from facet_vision.training.native_precision import settled
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.train import train_task

CPU = torch.device("cpu")


def _recipe(precision: str) -> Recipe:
    given = {"data": "x", "task": "x", "lr": 0.4, "tokens": 2, "epochs": 2, "precision": precision}
    return make_recipe(given, {})


def test_what_is_named_is_taken(tiny: Backbone) -> None:
    assert [settled(_recipe(name), tiny).precision for name in ("float32", "bfloat16")] == [
        "float32",
        "bfloat16",
    ]
    assert _recipe("auto").precision == "auto"
    assert make_recipe({"data": "x", "task": "x", "lr": 0.4}, {}).precision == "float32"


def test_auto_is_trained_and_stated_as_what_it_stands_for(tiny: Backbone, shades: TaskData) -> None:
    expected = "bfloat16" if has_bfloat16(CPU) else "float32"
    auto, named, other = (
        train_task(tiny, shades, _recipe(name))
        for name in ("auto", expected, "float32" if expected == "bfloat16" else "bfloat16")
    )
    assert auto.manifest.recipe["precision"] == expected
    assert torch.equal(auto.prompts[0], named.prompts[0])
    assert not torch.equal(auto.prompts[0], other.prompts[0])
    assert (
        find("vpt-deep")(tiny, 3, _recipe("auto"), torch.Generator()).recipe.precision == expected
    )
