"""Initial values of prompts."""

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.training.data.images import InMemory
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import make_recipe
from facet_vision.training.variants.initial import drawn, prototypes
from facet_vision.training.variants.method import PromptVariant
from facet_vision.training.variants.variant import make_variant
from tests.training.support.methods import images, network

TARGETS = torch.tensor([0, 1, 1, 2, 0])


@pytest.fixture(scope="module")
def net() -> Backbone:
    return network("plain")


def test_random_values() -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = drawn((100, 50), "uniform", generator, low=-0.5, high=0.5)
    normal = drawn((100, 50), "normal", generator, low=-0.5, high=0.5)
    assert uniform.abs().max().item() == pytest.approx(0.5, rel=0.01)
    assert uniform.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.03)
    assert normal.std().item() == pytest.approx(0.02, rel=0.03)
    assert not drawn((3, 2), "zero", generator, low=-0.5, high=0.5).any()


@pytest.mark.parametrize("init", ["uniform", "normal", "zero"])
def test_every_set_of_prompts_has_these_values(init: str, net: Backbone) -> None:
    recipe = make_recipe(
        {"data": "x", "task": "x", "method": "vpt-deep", "tokens": 50, "lr": 1}, {}
    )
    made = PromptVariant(net, 3, recipe, torch.Generator().manual_seed(0), make_variant(init=init))
    expected = {"uniform": (6 / (3 * 8 * 8 + 32)) ** 0.5 / 3**0.5, "normal": 0.02, "zero": 0.0}
    for prompt in made.location.prompts.prompts:
        assert prompt.std().item() == pytest.approx(expected[init], rel=0.1)


def test_final_prototypes_are_the_mean_features_of_the_classes(net: Backbone) -> None:
    batch = images(5)
    first, last = prototypes(net, InMemory(batch), TARGETS, 3, "final-cls", [0, 2])
    features = net.features(batch)
    expected = torch.stack([features[label == TARGETS].mean(dim=0) for label in range(3)])
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(first, last)


def test_prototypes_of_what_enters_and_leaves_a_layer(net: Backbone) -> None:
    batch, model = images(5), net.model
    x = model._pos_embed(model.patch_embed(batch))
    entering = []
    for block in model.blocks:
        entering.append(x[:, 0])
        x = block(x)
    places = [*entering, x[:, 0]]
    means = [
        torch.stack([place[label == TARGETS].mean(dim=0) for label in range(3)]) for place in places
    ]
    nolastl = prototypes(net, InMemory(batch), TARGETS, 3, "cls-nolastl", [0, 1, 2])
    nofirstl = prototypes(net, InMemory(batch), TARGETS, 3, "cls-nofirstl", [0, 1, 2])
    torch.testing.assert_close(nolastl, means[:3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(nofirstl, means[1:], atol=1e-5, rtol=1e-5)


def test_prototypes_are_where_the_prompts_begin(net: Backbone) -> None:
    starts = [torch.full((3, 32), float(layer)) for layer in range(3)]
    recipe = make_recipe({"data": "x", "task": "x", "method": "vpt-deep", "tokens": 3, "lr": 1}, {})
    variant = make_variant(init="cls-nolastl")
    made = PromptVariant(net, 3, recipe, torch.Generator().manual_seed(0), variant, starts)
    assert all(
        torch.equal(prompt, start)
        for prompt, start in zip(made.location.prompts.prompts, starts, strict=True)
    )
    recipe = recipe.model_copy(update={"tokens": 7})
    with pytest.raises(
        TrainingError, match=r"^tokens: expected 3, one for each class, .* found 7$"
    ):
        PromptVariant(net, 3, recipe, torch.Generator(), variant, starts)


def test_prototypes_need_every_class_and_a_class_token(net: Backbone) -> None:
    with pytest.raises(TrainingError, match="expected an image of every class for prototypes"):
        prototypes(net, InMemory(images(5)), TARGETS, 4, "final-cls", [0])
    with pytest.raises(TrainingError, match="expected a backbone with a class token"):
        prototypes(network("average-no-class"), InMemory(images(5)), TARGETS, 3, "final-cls", [0])
