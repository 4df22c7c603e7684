"""A very small backbone and a problem that it can learn."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

import backbone
from training.datasets import Examples, TaskData


@pytest.fixture(scope="session")
def tiny() -> backbone.Backbone:
    torch.manual_seed(0)
    model = VisionTransformer(img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0)
    with torch.no_grad():  # timm starts so small that the class token hardly sees the image
        for name, weight in model.named_parameters():
            weight.mul_(8 if name.endswith("weight") and weight.ndim > 1 else 1)
    return backbone.wrap(model, name="test-vit", device="cpu")


@pytest.fixture(scope="session")
def shades() -> TaskData:
    """Dark, grey and bright images with a little noise."""
    rng = np.random.default_rng(0)

    def examples(count: int) -> Examples:
        targets = [index % 3 for index in range(count)]
        pixels = [rng.integers(0, 40, (16, 16, 3)) + 90 * target for target in targets]
        return Examples([Image.fromarray(image.astype(np.uint8)) for image in pixels], targets)

    return TaskData(examples(30), examples(15), ("dark", "grey", "bright"), "shades of grey")
