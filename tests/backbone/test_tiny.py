"""The embedded model as timm sees it."""

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.data import resolve_model_data_config

from facet_vision.backbone import tiny


@pytest.fixture(scope="module")
def model():
    return timm.create_model("facet_tiny", pretrained=False, num_classes=0).eval()


def test_builds_with_class_token_pooling(model):
    assert model.global_pool == "token"
    assert model.patch_embed.num_patches == 36
    features = model(torch.zeros(2, 3, 48, 48))
    assert features.shape == (2, model.num_features)


def test_data_config(model):
    config = resolve_model_data_config(model)
    assert config["input_size"] == (3, 48, 48)
    assert config["crop_pct"] == 1.0
    assert config["mean"] == (0.5, 0.5, 0.5)
    assert config["std"] == (0.25, 0.25, 0.25)


def test_is_listed_by_timm():
    assert timm.is_model("facet_tiny")


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="divisible by 8, found 50"):
        timm.create_model("facet_tiny", img_size=50)


def test_shipped_weights_load_strictly_and_are_small(model):
    model.load_state_dict(load_file(tiny.WEIGHTS), strict=True)
    assert tiny.WEIGHTS.stat().st_size < 12 * 2**20
    assert all(value.isfinite().all() for value in model.state_dict().values())
