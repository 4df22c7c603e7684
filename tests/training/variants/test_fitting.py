"""Fitting of variants, on problems that they can learn."""

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.cells import final, trial
from facet_vision.training.methods import find
from facet_vision.training.methods.adapting import Adapting
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.train import fit_to
from facet_vision.training.variants.fitting import fitted
from facet_vision.training.variants.method import PromptVariant
from facet_vision.training.variants.variant import Variant, make_variant


def _recipe(method: str, **given: object) -> Recipe:
    common = {"data": "shades", "task": "shades", "method": method, "batch_size": 10}
    return make_recipe({**common, "epochs": 4, "head_lr": 1.0, **given}, find(method).defaults)


@pytest.mark.parametrize(
    ("method", "switches", "tokens", "numbers"),
    [
        ("vpt-deep", {}, 10, 2 * 32 * 10),
        ("vpt-deep", {"init": "cls-nofirstl"}, 3, 2 * 32 * 3),
        ("vpt-shallow", {"location": "pad"}, 2, 3 * 4 * 20 + 3 * 16 * 4),
    ],
)
def test_a_variant_is_trained_and_measured(
    method: str, switches: dict, tokens: int, numbers: int, tiny: Backbone, shades: TaskData
) -> None:
    recipe, variant = _recipe(method, tokens=tokens), make_variant(**switches)
    first, second = (final(recipe, shades, tiny, variant) for _ in range(2))
    assert first["held_out_images"] == 15
    assert first["parameters"] == numbers + 3 * 32 + 3
    assert first["score"] == second["score"] > 0.5


def test_a_trial_of_a_variant_is_measured_on_the_data_that_it_is_given(
    tiny: Backbone, shades: TaskData
) -> None:
    recipe, variant = _recipe("vpt-deep"), make_variant(shared=True)
    found = trial(recipe, shades, tiny, variant)["score"]
    assert found == final(recipe, shades, tiny, variant)["score"]


def test_the_variant_without_switches_is_the_method(tiny: Backbone, shades: TaskData) -> None:
    """`fitted` relies on it."""
    recipe = _recipe("vpt-deep", epochs=6)
    generator = torch.Generator().manual_seed(recipe.seed)
    variant = PromptVariant(tiny, 3, recipe, generator, Variant())
    fit_to(variant, shades, generator)
    registered = fitted(tiny, shades, recipe, Variant())
    assert isinstance(registered, Adapting)
    learned = {
        name.rpartition("location.prompts.")[2]: each for name, each in variant.trained().items()
    }
    expected = registered.trained()
    assert learned.keys() == expected.keys()
    assert all(torch.equal(learned[name], each) for name, each in expected.items())


def test_variants_are_trained_on_augmented_images(tiny: Backbone, shades: TaskData) -> None:
    recipe = _recipe("vpt-deep", augment="timm", auto_augment="no policy")
    with pytest.raises(TrainingError, match=r"^auto_augment: expected a policy of timm"):
        fitted(tiny, shades, recipe, make_variant(shared=True))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"prompt_init": "patches"}, "prompt_init: expected uniform for a prompt variant, "),
        ({"prompt_dropout": 0.1}, "prompt_dropout: expected 0.0 for a prompt variant, "),
        ({"drop_path": 0.1}, "drop_path: expected 0.0 for a prompt variant, "),
    ],
)
def test_what_a_variant_does_not_read_is_refused(
    given: dict, sentence: str, tiny: Backbone, shades: TaskData
) -> None:
    with pytest.raises(TrainingError, match=f"^{sentence}which does not read it, found "):
        fitted(tiny, shades, _recipe("vpt-deep", **given), make_variant(shared=True))
