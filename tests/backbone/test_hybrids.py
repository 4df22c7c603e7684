"""A Vision Transformer whose patches come out of convolutions takes prompts as any other."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from facet_vision import backbone
from tests.backbone.adaptation.reference import draw_parts, features
from tests.backbone.families import prompts


@pytest.mark.parametrize("name", ["vit_tiny_r_s16_p8_224", "vitamin_small_224"])
@torch.inference_mode()
def test_both_forms_and_changes_of_a_hybrid(name: str) -> None:
    torch.manual_seed(0)
    model: Any = timm.create_model(name, num_classes=0, depth=2).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.5, 0.2)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    net = backbone.wrap(model, device="cpu")
    # Averages of noise are alike, so one image is of another contrast.
    images = torch.randn(2, 3, 224, 224) * torch.tensor([1.0, 9.0]).view(2, 1, 1, 1)
    close = {"atol": 1e-5, "rtol": 1e-5}
    bare = net.features(images)
    torch.testing.assert_close(bare, model(images), **close)
    assert (bare[0] - bare[1]).abs().max() > 1e-2
    for kind in ("shallow", "deep"):
        learned = prompts(net, kind, 3)
        expected = net.features(images, learned, form="tokens")
        torch.testing.assert_close(net.features(images, learned), expected, **close)
        assert (expected - bare).abs().max() > 1e-2
    parts = draw_parts(net, ["lora", "bias:embed"], 2, 0)
    parts = {name: 0.1 * part for name, part in parts.items()}
    found = net.features(images, (), parts)
    torch.testing.assert_close(found, features(net, images, (), parts), atol=1e-4, rtol=1e-4)
