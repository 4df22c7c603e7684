"""Identity of a training."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.identity import difference, digest, identity
from facet_vision.training.recipe import Recipe, make_recipe
from tests.training.support.small import watched


def _recipe(**given: object) -> Recipe:
    return make_recipe({"data": "x", "task": "x", "lr": 0.4, "tokens": 2} | given, {})


def _other(net: Backbone) -> Backbone:
    model = type(net.model)(
        img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0
    )
    return backbone.wrap(model, name=net.name, device="cpu")


@pytest.mark.parametrize(
    "given",
    [
        {"lr": 0.5},
        {"seed": 1},
        {"epochs": 7},
        {"patience": 3},
        {"precision": "bfloat16"},
        {"tokens": 3},
    ],
)
def test_recipes_differ_by_name(tiny: Backbone, shades: TaskData, given: dict[str, Any]) -> None:
    one, other = identity(tiny, shades, _recipe()), identity(tiny, shades, _recipe(**given))
    assert difference(one, other) == difference(other, one) == next(iter(given))


@pytest.mark.parametrize(
    "given",
    [
        {"task": "y"},
        {"description": "y"},
        {"data": "y"},
        {"checkpoint": "y"},
        {"search": "lr=0.4"},
        {"rank": 3},
    ],
)
def test_facts_without_effect_do_not_count(
    tiny: Backbone, shades: TaskData, given: dict[str, Any]
) -> None:
    one, other = identity(tiny, shades, _recipe()), identity(tiny, shades, _recipe(**given))
    assert difference(one, other) is None


def test_backbones_differ_by_their_weights(tiny: Backbone, shades: TaskData) -> None:
    torch.manual_seed(5)
    one, other = (identity(net, shades, _recipe()) for net in (tiny, _other(tiny)))
    assert difference(one, other) == "fingerprint"


def test_data_differ_by_number_labels_or_pixels(tiny: Backbone, shades: TaskData) -> None:
    one = identity(tiny, shades, _recipe())
    assert difference(one, identity(tiny, watched(shades), _recipe())) == "data"
    targets = [(target + 1) % 3 for target in shades.train.targets]
    relabelled = replace(shades, train=Examples(shades.train.images, targets))
    renamed = replace(shades, labels=("dark", "gray", "bright"))
    repainted = replace(
        shades, test=Examples([Image.new("RGB", (16, 16))] * 15, shades.test.targets)
    )
    for other in (relabelled, renamed, repainted):
        assert difference(one, identity(tiny, other, _recipe())) == "images and labels"


def test_of_many_images_some_are_read(shades: TaskData) -> None:
    seen: list[int] = []

    class Watched(Examples):
        def image(self, index: int) -> Image.Image:
            seen.append(index)
            return shades.train.image(0)

    train = Watched([Image.new("RGB", (1, 1))] * 10_000, [0] * 10_000)
    digest(replace(shades, train=train, test=Examples([], [])))
    assert 64 <= len(seen) <= 65
    assert (seen[0], seen[1], seen[-1]) == (0, 156, 64 * 156)
