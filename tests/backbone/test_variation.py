"""Other input sizes and poolings than a network was published with."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from facet_vision import backbone
from facet_vision.backbone import Backbone, BackboneError
from facet_vision.backbone.variation import resampled_positions


def loaded(name: str, **options: Any) -> Backbone:
    torch.manual_seed(0)
    return backbone.load(name, pretrained=False, device="cpu", **options)


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        *(("test_vit", "avg"), ("test_vit", "token"), ("facet-tiny", "avg")),
        ("vit_tiny_patch16_dinov3_qkvb", "token"),
    ],
)
@torch.inference_mode()
def test_tokens_are_pooled_as_asked(name: str, pool: str) -> None:
    net = loaded(name, pool=pool)
    model: Any = net.model
    images = torch.randn(2, *net.input_size, generator=torch.Generator().manual_seed(0))
    tokens = model.forward_features(images)
    pooled = tokens[:, 0] if pool == "token" else tokens[:, model.num_prefix_tokens :].mean(dim=1)
    torch.testing.assert_close(net.features(images), model.fc_norm(pooled), atol=1e-5, rtol=1e-5)
    assert net.pooling == pool
    own = loaded(name)
    assert (own.fingerprint == net.fingerprint) == (own.pooling == pool)


@pytest.mark.parametrize(
    ("name", "pool", "expected"),
    [
        ("swin_tiny_patch4_window7_224", "token", "pool: expected avg, found 'token'"),
        ("test_resnet", "avg", "pool: expected own, found 'avg'"),
        ("facet-tiny", "map", "pool: expected token or avg, found 'map'"),
        ("deit_tiny_distilled_patch16_224", "avg", "pool: expected token, found 'avg'"),
        ("vit_medium_patch16_rope_reg1_gap_256", "token", "pool: expected avg, found 'token'"),
    ],
)
def test_a_pooling_that_it_cannot_do_is_refused(name: str, pool: str, expected: str) -> None:
    with pytest.raises(BackboneError, match=expected):
        loaded(name, pool=pool)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("facet-tiny", 64), ("test_vit", 96), ("vit_tiny_patch16_dinov3_qkvb", 96)),
        *(("swin_tiny_patch4_window7_224", 96), ("test_resnet", 96), ("test_convnext", 128)),
    ],
)
@torch.inference_mode()
def test_images_are_of_the_size_that_was_asked_for(name: str, size: int) -> None:
    net, own = loaded(name, image_size=size), loaded(name)
    assert net.input_size == (3, size, size) != own.input_size
    assert net.features(torch.randn(1, *net.input_size)).shape == (1, net.feature_dim)
    assert net.fingerprint != own.fingerprint
    same = loaded(name, image_size=own.input_size[1])
    assert same.fingerprint == own.fingerprint


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("test_vit", 100, "image_size: expected a multiple of 16, found 100"),
        ("vit_tiny_patch16_dinov3_qkvb", 100, "image_size: expected a multiple of 16, found 100"),
        ("facet-tiny", 50, "image_size: expected one that 'facet-tiny' takes, found 50"),
        ("test_vit_relpos", 320, "image_size: expected 160, its only one, found 320"),
    ],
)
def test_a_size_that_it_cannot_take_is_refused(name: str, size: int, expected: str) -> None:
    with pytest.raises(BackboneError, match=expected):
        loaded(name, image_size=size)


def test_positions_of_a_checkpoint_are_resampled_as_timm_does(tmp_path: Path) -> None:
    weights: Any = loaded("test_vit").model
    path = tmp_path / "weights.safetensors"
    save_file(weights.state_dict(), path)
    net = backbone.load("test_vit", checkpoint=path, image_size=96, device="cpu")
    assert net.resampled == "positions 10x10 -> 6x6 resampled"
    weights.set_input_size(img_size=(96, 96))
    torch.testing.assert_close(net.model.get_parameter("pos_embed"), weights.pos_embed)


def test_positions_of_a_release_are_told_likewise() -> None:
    model = timm.create_model("test_vit", img_size=96)
    assert resampled_positions(model) == "positions 10x10 -> 6x6 resampled"
    assert resampled_positions(timm.create_model("test_vit")) == ""
    rotated = timm.create_model("vit_tiny_patch16_dinov3_qkvb", img_size=96, depth=1)
    assert resampled_positions(rotated) == ""
