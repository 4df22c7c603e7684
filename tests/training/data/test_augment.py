"""Augmentation of the training images."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from facet_vision.backbone import Backbone, Preprocess
from facet_vision.training.data.augment import (
    Augmented,
    check_augment,
    crop_and_flip,
    training_inputs,
)
from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.data.images import InMemory, Inputs, in_order, prepare
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import METHODS, find
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.train import train_task

PLAIN = Preprocess((3, 16, 16), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), crop_mode="squash")


def _recipe(**given: object) -> Recipe:
    return make_recipe({"data": "x", "task": "x", "lr": 0.4} | given, {})


def _noise(count: int, size: tuple[int, int] = (40, 30)) -> Examples:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, *size[::-1], 3), dtype=np.uint8)
    return Examples([Image.fromarray(image) for image in pixels], [0] * count)


def _rows(inputs: Inputs, epoch: int = 0) -> torch.Tensor:
    return torch.cat(list(inputs.of_epoch(epoch).batches(in_order(len(inputs), 3))))


def _augmented(**given: object) -> Inputs:
    return training_inputs(_noise(5), PLAIN, _recipe(augment="timm", **given))


def test_none_is_as_served(tiny: Backbone) -> None:
    inputs = training_inputs(_noise(4), tiny.preprocess, _recipe())
    torch.testing.assert_close(
        _rows(inputs), _rows(prepare(_noise(4), tiny.preprocess)), rtol=0, atol=0
    )


def test_vtab_is_a_plain_resize() -> None:
    served = Preprocess((3, 16, 16), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear", crop_pct=0.9)
    inputs = training_inputs(_noise(2), served, _recipe(augment="vtab"))
    assert isinstance(inputs, InMemory)
    resized = _noise(2).image(1).resize((16, 16), Image.Resampling.BILINEAR)
    expected = torch.tensor(np.asarray(resized)).permute(2, 0, 1) / 255
    torch.testing.assert_close(_rows(inputs)[1] * 0.5 + 0.5, expected)


@pytest.mark.parametrize(("side", "resized"), [(224, 256), (384, 438), (448, 512)])
def test_fgvc_resizes_as_in_the_paper(side: int, resized: int) -> None:
    pipeline = crop_and_flip(
        Preprocess((3, side, side), (0.0,) * 3, (1.0,) * 3, crop_mode="squash")
    )
    resize = next(each for each in pipeline.transforms if isinstance(each, transforms.Resize))
    assert resize.size == resized
    assert pipeline(_noise(1).image(0)).shape == (3, side, side)


def test_fgvc_enlarges_no_more_of_a_thin_image_than_a_crop_can_show() -> None:
    pipeline = crop_and_flip(Preprocess((3, 16, 16), (0.0,) * 3, (1.0,) * 3, crop_mode="squash"))
    assert pipeline(Image.new("RGB", (1, 300_000))).shape == (3, 16, 16)


def test_fgvc_crops_and_flips_at_random() -> None:
    # 18 is 8/7 of 16: nothing to resize
    ramp = np.zeros((18, 36, 3), np.uint8) + np.arange(36, dtype=np.uint8)[:, None]
    inputs = training_inputs(Examples([Image.fromarray(ramp)], [0]), PLAIN, _recipe(augment="fgvc"))
    seen = [(_rows(inputs, epoch)[0, 0, 0] * 255).round().int().tolist() for epoch in range(40)]
    flipped = [row for row in seen if row[0] > row[-1]]
    assert 10 < len(flipped) < 30
    assert all(sorted(row) == list(range(min(row), min(row) + 16)) for row in seen)
    assert len({min(row) for row in seen}) > 8


@pytest.mark.parametrize("augment", ["fgvc", "timm"])
def test_augmentation_depends_on_seed_epoch_and_row_alone(augment: str) -> None:
    examples = _noise(7)
    first, other_seed = (
        training_inputs(examples, PLAIN, _recipe(augment=augment, seed=seed)) for seed in (0, 1)
    )
    assert isinstance(first, Augmented)
    rows = _rows(first, 3)
    random.random(), torch.rand(1)
    order = torch.tensor([6, 2])
    (again,) = first.of_epoch(3).batches([order])
    torch.testing.assert_close(again, rows[order], rtol=0, atol=0)
    by_workers = Augmented(examples, first.transform, 0, epoch=3, workers=2)
    torch.testing.assert_close(
        torch.cat(list(by_workers.batches(in_order(7, 3)))), rows, rtol=0, atol=0
    )
    for other in (_rows(first, 4), _rows(other_seed, 3)):
        assert not any(torch.equal(a, b) for a, b in zip(rows, other, strict=True))


def test_global_generators_are_restored() -> None:
    inputs = _augmented(random_erase=1.0, auto_augment="rand-m9")
    torch.manual_seed(0)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    _rows(inputs)
    assert before == (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    )


@pytest.mark.parametrize(
    "option",
    [
        {"crop_scale": 1.0},
        {"color_jitter": 0.0},
        {"auto_augment": "rand-m9"},
        {"random_erase": 1.0},
    ],
)
def test_every_option_of_timm_has_an_effect(option: dict) -> None:
    assert not torch.equal(_rows(_augmented()), _rows(_augmented(**option)))


def test_unknown_policy() -> None:
    with pytest.raises(
        TrainingError, match=r"^auto_augment: expected a policy of timm such as .*, found 'magic'$"
    ):
        _augmented(auto_augment="magic")


@pytest.mark.parametrize("name", METHODS)
def test_features_that_are_extracted_once_are_not_augmented(name: str) -> None:
    recipe = _recipe(method=name.replace("-k", "-1"), augment="fgvc")
    extracts = find(recipe.method).extracts
    assert extracts == (name in ("linear", "mlp-k", "ncm", "knn", "lda"))
    if extracts:
        sentence = r"^augment: expected none or vtab, since .* features once, found 'fgvc'$"
        with pytest.raises(TrainingError, match=sentence):
            check_augment(recipe, extracts_features=extracts)
        recipe = _recipe(method=recipe.method, augment="vtab")
    check_augment(recipe, extracts_features=extracts)


def test_training_sees_the_augmented_images(tiny: Backbone, shades: TaskData) -> None:
    given = {"method": "vpt-deep", "tokens": 2, "epochs": 1, "batch_size": 8}
    weights = [
        train_task(tiny, shades, _recipe(**given, augment=augment)).head.layers[0][0].float()
        for augment in ("none", "fgvc", "fgvc", "timm")
    ]
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[3])
