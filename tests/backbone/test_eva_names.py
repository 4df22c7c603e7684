"""Named networks of the Eva family, of two layers: loaded as timm names them."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from facet_vision import backbone
from tests.backbone.families import prompts

NAMES = [
    *("vit_small_patch16_dinov3", "vit_small_patch16_dinov3_qkvb", "vit_small_plus_patch16_dinov3"),
    *("eva02_tiny_patch14_224", "eva02_base_patch16_clip_224", "eva02_enormous_patch14_clip_224"),
    *("vit_pe_core_tiny_patch16_384", "vit_pe_spatial_tiny_patch16_512"),
    *("vit_small_patch16_rope_224", "vit_small_patch16_rope_mixed_ape_224"),
    "vit_medium_patch16_rope_reg1_gap_256",
]


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_named_network_gives_timms_features_and_both_forms_agree(name: str) -> None:
    wide = {"embed_dim": 128, "num_heads": 2} if "enormous" in name or "base" in name else {}
    # Not square: the sides of the grid must not be taken for each other.
    size = (5 * 14, 4 * 14) if "patch14" in name else (5 * 16, 4 * 16)
    model: Any = timm.create_model(name, num_classes=0, depth=2, img_size=size, **wide)
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.5, 0.2)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    net = backbone.wrap(model.eval(), device="cpu")
    assert net.input_size == (3, *size)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = model.forward_head(model.forward_features(images), pre_logits=True)
    close = {"atol": 1e-5 * expected.abs().max().item(), "rtol": 1e-5}
    torch.testing.assert_close(net.features(images), expected, **close)
    for kind in ("shallow", "deep"):
        learned = prompts(net, kind, 4)
        found = net.features(images, learned)
        torch.testing.assert_close(found, net.features(images, learned, form="tokens"), **close)
        assert not torch.allclose(found, expected, atol=1e-2)
