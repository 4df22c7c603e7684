"""The published sizes of Swin, loaded by name: without prompts the forward is timm's own."""

from typing import Any

import pytest
import torch
from torch import nn

from facet_vision import backbone
from facet_vision.backbone import Backbone


@pytest.fixture(scope="module", params=["tiny", "small", "base"])
def net(request: pytest.FixtureRequest) -> Backbone:
    net = backbone.load(f"swin_{request.param}_patch4_window7_224", pretrained=False, device="cpu")
    _randomise(net.model)
    return net


def _randomise(model: nn.Module) -> None:
    """Initial values leave biases, position biases and attention without effect; these do not."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "relative_position" in name or parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.5)
        else:
            nn.init.normal_(parameter, std=2 * parameter[0].numel() ** -0.5)


@pytest.mark.parametrize("form", ["prefix", "tokens"])
@torch.inference_mode()
def test_without_prompts_it_is_timms_own_forward(form: Any, net: Backbone) -> None:
    model: Any = net.model
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = model.forward_head(model.forward_features(images), pre_logits=True)
    found = net.features(images, form=form)
    assert found.shape == (1, net.feature_dim)
    torch.testing.assert_close(found, expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-5)


def test_layers_are_counted_through_all_stages(net: Backbone) -> None:
    model: Any = net.model
    assert net.layer_dims == tuple(block.dim for stage in model.layers for block in stage.blocks)
    assert len(net.layer_dims) == (12 if "tiny" in net.name else 24)
