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
from tests.training.support.methods import images, method, network, nudged

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
    names = {"downsample": "down", "upsample": "up"}
    for key, parameter in made.named_parameters():
        if key.startswith("parts."):
            _, layer, _, part = key.removeprefix("parts.").split("/")
            official = {new: old for old, new in names.items()}[part.partition("_")[0]]
            kind = "bias" if part.endswith("_bias") else "weight"
            parameter.data = tensors[f"method.adapter.{layer}.{official}.{kind}"]
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
    parts = made.written_parts()
    for layer in range(len(network(variant).layer_dims)):
        assert parts[f"adapter.{layer}.block.up_bias"].any()
        assert bool(parts[f"adapter.{layer}.block.up"].any()) == learns
        assert bool(parts[f"adapter.{layer}.block.down"].any()) == learns


@on_every_backbone
def test_adaptformer_adds_a_tenth_of_a_bottleneck_beside_the_mlp(variant: str) -> None:
    made = nudged(method("adaptformer", network(variant))).eval()
    learned = {key.replace("/", "."): each for key, each in made.parts.items()}
    written = made.written_parts()
    assert all(name.startswith("parallel.") for name in written)
    for name, part in written.items():
        scale = 0.1 if name.endswith((".up", ".up_bias")) else 1.0
        torch.testing.assert_close(part, scale * learned[name].detach())


def test_adapter_is_narrower_by_the_reduction() -> None:
    parts = method("adapter", network("swin"), reduction=5).written_parts()
    widths = [parts[f"adapter.{layer}.block.down"].shape for layer in range(4)]
    assert widths == [(2, 12), (2, 12), (4, 24), (4, 24)]
    with pytest.raises(
        TrainingError, match=r"^reduction: expected at most 12, the width of a layer, found 13$"
    ):
        method("adapter", network("swin"), reduction=13)
