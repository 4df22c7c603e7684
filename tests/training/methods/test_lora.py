"""Low-rank adaptation."""

import pytest
import torch

from facet_vision import backbone
from facet_vision.training.methods.own_backbone import blocks
from tests.backbone import families
from tests.training.support.methods import images, method, network, nudged

on_every_backbone = pytest.mark.parametrize("variant", ["plain", "swin"])


@on_every_backbone
@pytest.mark.parametrize("targets", ["qkv", "proj", "qkv+proj", "fc1+fc2", "qkv+proj+fc1+fc2"])
def test_lora_merges_into_plain_layers(variant: str, targets: str) -> None:
    made = nudged(method("lora", network(variant), rank=3, alpha=6, lora_targets=targets)).eval()
    merged, batch = backbone.wrap(families.build(variant), device="cpu"), images()
    parts = made.written_parts()
    for layer, block in enumerate(blocks(merged.model).values()):
        for target in targets.split("+"):
            linear = getattr(block.attn if target in ("qkv", "proj") else block.mlp, target)
            a, b = (parts[f"lora.{layer}.{target}.{part}"] for part in "ab")
            linear.weight += b @ a
    found = merged.features(batch)
    torch.testing.assert_close(found, made.features(batch), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, network(variant).features(batch), atol=1e-3)


def test_lora_follows_the_recipe() -> None:
    made = method("lora", network("plain"), rank=3, alpha=6, lora_targets="qkv+proj")
    parts = {name.removeprefix("parts.lora/1/"): each for name, each in made.trained().items()}
    assert (parts["qkv/a"].shape, parts["qkv/b"].shape) == ((3, 32), (96, 3))
    assert (parts["proj/a"].shape, parts["proj/b"].shape) == ((3, 32), (32, 3))
    assert parts["qkv/a"].abs().max() <= 32**-0.5
    assert not parts["qkv/b"].any()
    with torch.no_grad():
        parts["qkv/b"].fill_(1.0)
    assert made.written_parts()["lora.1.qkv.b"].eq(2).all()
