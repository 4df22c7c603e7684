"""All three forwards reproduce features of the paper's official implementation."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

from facet_vision import backbone

GOLDEN = Path(__file__).parents[1] / "golden"
FORWARDS = {
    "plain": lambda net, images, prompts: net.features(images, prompts, form="tokens"),
    "prefix": lambda net, images, prompts: net.features(images, prompts, form="prefix"),
    "mixed": lambda net, images, prompts: net.features_mixed(
        images, [(net.encode(prompts), 1), (net.encode(prompts), 2)]
    ),
}


@pytest.mark.parametrize("forward", FORWARDS)
@pytest.mark.parametrize(
    "case", ["vit_plain", "vit_shallow", "vit_deep", "swin_plain", "swin_shallow", "swin_deep"]
)
def test_matches_the_official_implementation(case: str, forward: str) -> None:
    with safe_open(GOLDEN / f"{case}.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        options = json.loads(file.metadata()["json"])["timm"]["kwargs"]
    model = {"vit": VisionTransformer, "swin": SwinTransformer}[case.partition("_")[0]](**options)
    weights = {
        k.removeprefix("backbone."): v for k, v in tensors.items() if k.startswith("backbone.")
    }
    assert not model.load_state_dict(weights, strict=False).unexpected_keys
    prompts = [
        prompt
        for name in sorted(tensors, key=_depth)
        if name.startswith("method.")
        for prompt in tensors[name]
    ]

    found = FORWARDS[forward](backbone.wrap(model, device="cpu"), tensors["images"], prompts)

    # In Swin-Shallow the official batch mixes its images; one image at a time it does what the
    # paper says.
    expected = tensors.get("expected_single", tensors["expected"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def _depth(name: str) -> tuple[bool, str]:
    """Order of the prompt tensors: the first layer's, then the deeper ones by stage."""
    return (name != "method.prompt_embeddings", name)
