"""A very small backbone and a problem that it can learn."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from facet_vision import backbone
from facet_vision.training.data.datasets import Examples, TaskData


def small_vit() -> backbone.Backbone:
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0
    )
    with (
        torch.no_grad()
    ):  # with timm's small initial values the class token hardly depends on the image
        for name, weight in model.named_parameters():
            weight.mul_(8 if name.endswith("weight") and weight.ndim > 1 else 1)
    return backbone.wrap(model, name="test-vit", device="cpu")


def shades_of_grey() -> TaskData:
    """Return dark, grey and bright images with a little noise."""
    rng = np.random.default_rng(0)

    def examples(count: int) -> Examples:
        targets = [index % 3 for index in range(count)]
        pixels = [rng.integers(0, 40, (16, 16, 3)) + 90 * target for target in targets]
        return Examples([Image.fromarray(image.astype(np.uint8)) for image in pixels], targets)

    return TaskData(examples(30), examples(15), ("dark", "grey", "bright"), "shades of grey")


def watched(data: TaskData) -> TaskData:
    """Return the data with a third of its training images set aside for validation."""
    rows = range(len(data.train))
    train, validation = (
        [row for row in rows if (row // 3 % 3 == 0) is aside] for aside in (False, True)
    )
    return replace(data, train=data.train.take(train), validation=data.train.take(validation))


def several_labels(data: TaskData) -> TaskData:
    """Return a multi-label set in which the bright images are grey as well."""

    def relabelled(part: Examples) -> Examples:
        targets = [(1, 2) if target == 2 else (target,) for target in part.targets]
        return Examples(part.images, targets)

    validation = None if data.validation is None else relabelled(data.validation)
    return replace(
        data,
        train=relabelled(data.train),
        test=relabelled(data.test),
        validation=validation,
        multi_label=True,
    )
