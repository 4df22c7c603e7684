"""The paper's official implementation computed these features; all three forwards must reproduce them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from timm.models.vision_transformer import VisionTransformer

import backbone

GOLDEN = Path(__file__).parents[1] / "golden"
FORWARDS = {
    "plain": lambda net, images, prompts: net.features(images, prompts, form="tokens"),
    "prefix": lambda net, images, prompts: net.features(images, prompts, form="prefix"),
    "mixed": lambda net, images, prompts: net.features_mixed(
        images, [(net.encode(prompts), 1), (net.encode(prompts), 2)]
    ),
}


@pytest.mark.parametrize("forward", FORWARDS)
@pytest.mark.parametrize("case", ["vit_plain", "vit_shallow", "vit_deep"])
def test_matches_the_official_implementation(case: str, forward: str) -> None:
    with safe_open(GOLDEN / f"{case}.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        options = json.loads(file.metadata()["json"])["timm"]["kwargs"]
    model = VisionTransformer(**options)
    model.load_state_dict({k.removeprefix("backbone."): v for k, v in tensors.items() if k.startswith("backbone.")})
    prompts = [
        *tensors.get("method.prompt_embeddings", []),
        *tensors.get("method.deep_prompt_embeddings", []),
    ]

    found = FORWARDS[forward](backbone.wrap(model, device="cpu"), tensors["images"], prompts)

    torch.testing.assert_close(found, tensors["expected"], atol=1e-5, rtol=0)
