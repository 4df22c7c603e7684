"""Adapters."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from timm.models.vision_transformer import VisionTransformer

from facet_vision import backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.optimizer import make_optimizer
from tests.training.support.methods import images, method, network

GOLDEN = Path(__file__).parents[2] / "golden"
on_every_backbone = pytest.mark.parametrize("variant", ["plain", "swin"])


def test_adapter_matches_the_official_implementation() -> None:
    with safe_open(GOLDEN / "vit_adapter.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        case = json.loads(file.metadata()["json"])
    model = VisionTransformer(**case["timm"]["kwargs"])
    model.load_state_dict(
        {k.removeprefix("backbone."): v for k, v in tensors.items() if k.startswith("backbone.")}
    )
    made = method(
        "adapter", backbone.wrap(model, device="cpu"), reduction=case["method"]["reduction"]
    ).eval()
    for index, block in enumerate(made.model.blocks):
        prefix = f"method.adapter.{index}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        block.mlp.adapter.load_state_dict(state)
    torch.testing.assert_close(
        made.features(tensors["images"]), tensors["expected"], atol=1e-5, rtol=0
    )


@on_every_backbone
@pytest.mark.parametrize(("start", "learns"), [("random", True), ("zero", False)])
def test_adapter_as_released_learns_a_bias_alone(variant: str, start: str, learns: bool) -> None:
    made = method("adapter", network(variant), adapter_init=start).train()
    optimizer = make_optimizer(made, made.recipe)
    for step in range(3):
        optimizer.zero_grad()
        made(images(seed=step)).square().sum().backward()
        optimizer.step()
    bottlenecks = [module.adapter for module in made.modules() if hasattr(module, "adapter")]
    assert len(bottlenecks) == len(network(variant).layer_dims)
    for bottleneck in bottlenecks:
        assert bottleneck.upsample.bias.any()
        assert bool(bottleneck.upsample.weight.any()) == learns
        assert bool(bottleneck.downsample.weight.any()) == learns


def test_adapter_is_narrower_by_the_reduction() -> None:
    made = method("adapter", network("swin"), reduction=5)
    widths = [
        block.mlp.adapter.downsample.weight.shape
        for stage in made.model.layers
        for block in stage.blocks
    ]
    assert widths == [(2, 12), (2, 12), (4, 24), (4, 24)]
    with pytest.raises(
        TrainingError, match=r"^reduction: expected at most 12, the width of a layer, found 13$"
    ):
        method("adapter", network("swin"), reduction=13)
