"""Low-rank adaptation."""

import pytest
import torch

from facet_vision import backbone
from tests.backbone import families
from tests.training.support.methods import images, method, network, nudged

on_every_backbone = pytest.mark.parametrize("variant", ["plain", "swin"])


@on_every_backbone
@pytest.mark.parametrize("targets", ["qkv", "proj", "qkv+proj"])
def test_lora_merges_into_plain_layers(variant: str, targets: str) -> None:
    made = nudged(method("lora", network(variant), rank=3, alpha=6, lora_targets=targets)).eval()
    merged, batch = made.merged(), images()
    plain = backbone.wrap(families.build(variant, num_classes=0)).model
    assert merged.state_dict().keys() == plain.state_dict().keys()
    found = merged.forward_head(merged.forward_features(batch), pre_logits=True)
    torch.testing.assert_close(found, made.features(batch), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, network(variant).features(batch), atol=1e-3)


def test_lora_follows_the_recipe() -> None:
    made = method("lora", network("plain"), rank=3, alpha=6, lora_targets="qkv+proj")
    attn = made.model.blocks[1].attn
    assert (attn.qkv.lora_a.shape, attn.qkv.lora_b.shape) == ((3, 32), (96, 3))
    assert (attn.proj.lora_a.shape, attn.proj.lora_b.shape) == ((3, 32), (32, 3))
    assert attn.qkv.scale == 2
    assert attn.qkv.lora_a.abs().max() <= 32**-0.5
    assert not attn.qkv.lora_b.any()
