"""Standardisation of the linear probe, by the training images only."""

import torch

from facet_vision.backbone import Backbone
from facet_vision.training import methods
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.metrics import predict_live
from facet_vision.training.new_recipe import new_recipe


def test_held_out_images_are_standardised_by_the_training_images(
    tiny: Backbone, shades: TaskData
) -> None:
    recipe = new_recipe(data="shades", task="shades", method="linear")
    probe = methods.find("linear")(tiny, 3, recipe, torch.Generator().manual_seed(0))
    probe.prepare(prepare(shades.train, tiny.preprocess))
    probe.eval()

    # standardised by themselves, bright images alone would look like images of every shade
    bright = shades.test.take(
        [index for index, target in enumerate(shades.test.targets) if target == 2]
    )
    images = prepare(bright, tiny.preprocess)
    weight, bias = probe.written_head().layers[0]
    found = predict_live(probe, images)

    with torch.no_grad():
        features = tiny.features(
            torch.stack([tiny.preprocess(bright.image(i)) for i in range(len(bright))])
        )
    torch.testing.assert_close(found, features @ weight.T + bias, atol=1e-3, rtol=1e-3)
