"""Attention weights of the class token, against a computation by hand and the network itself."""

from typing import Any

import pytest
import torch

from facet_vision import backbone
from facet_vision.backbone import (
    Backbone,
    BackboneError,
    UnsupportedBackbone,
    class_token_attention,
    patch_attention,
)
from tests.backbone import families
from tests.backbone.adaptation.reference import draw_parts

VARIANTS = [
    "plain",
    "dinov2-registers",
    "query-key-norm",
    "no-bias",
    "deit-distilled",
    "map-with-class",
    "dinov3",
    "rope-mixed",
    "sapiens2",
]
KINDS = ["none", "shallow", "deep"]


def network(variant: str) -> Backbone:
    return backbone.wrap(families.build(variant), name=variant, device="cpu")


def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_sum_to_one_over_all_tokens(variant: str, kind: str) -> None:
    net = network(variant)
    model: Any = net.model
    tokens = model.num_prefix_tokens + 16 + (0 if kind == "none" else 5)
    for layer in (0, 1, -1):
        weights = class_token_attention(net, images(), families.prompts(net, kind, 5), layer=layer)
        assert weights.shape == (2, 4, tokens)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4))
        assert weights.min() >= 0


def test_first_layer_by_hand() -> None:
    net = network("plain")
    model: Any = net.model
    (prompt,) = families.prompts(net, "shallow", 5)
    embedded = model._pos_embed(model.patch_embed(images()))
    block = model.blocks[0]
    for row, found in enumerate(class_token_attention(net, images(), [prompt], layer=0)):
        tokens = block.norm1(torch.cat((embedded[row, :1], prompt, embedded[row, 1:])))
        q, k, _ = (tokens @ block.attn.qkv.weight.T + block.attn.qkv.bias).split(32, dim=-1)
        for head in range(4):
            part = slice(8 * head, 8 * head + 8)
            scores = torch.stack([q[0, part] @ key / 8**0.5 for key in k[:, part]])
            expected = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(found[head], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", ["plain", "query-key-norm", "dinov2-registers", "dinov3"])
def test_weights_are_those_that_the_network_uses(variant: str, kind: str) -> None:
    """The class token's attention output is the weighted sum of the values."""
    net = network(variant)
    model: Any = net.model
    attn, taken = model.blocks[2].attn, []
    attn.register_forward_hook(lambda _, inputs, output: taken.append((inputs[0], output)))
    prompts = families.prompts(net, kind, 5)
    net.features(images(), prompts, form="tokens")
    (h, output), *_ = taken
    weights = class_token_attention(net, images(), prompts, layer=2)
    values = attn.qkv(h)[..., 64:].unflatten(-1, (4, 8)).transpose(1, 2)
    mixed = (weights[:, :, None] @ values).transpose(1, 2).flatten(1)
    torch.testing.assert_close(attn.proj(attn.norm(mixed)), output[:, 0], atol=1e-5, rtol=1e-4)


def test_the_network_is_left_as_it_was() -> None:
    net = network("plain")
    class_token_attention(net, images())
    with pytest.raises(BackboneError, match="prompts: expected"):
        class_token_attention(net, images(), [torch.zeros(1, 32)] * 2)
    assert not any(module._forward_pre_hooks for module in net.model.modules())


@pytest.mark.parametrize("variant", ["swin", "average-no-class", "rope-registers"])
def test_a_class_token_is_needed(variant: str) -> None:
    with pytest.raises(
        UnsupportedBackbone,
        match=rf"^backbone: expected a ViT with a class token, found '{variant}'$",
    ):
        class_token_attention(network(variant), images())


def test_changes_of_a_task_are_seen() -> None:
    net = network("query-key-norm")
    parts = draw_parts(net, ["lora", "bias", "prefix"], 2, 0)
    prompts = families.prompts(net, "deep", 3)
    learned = {name: part for name, part in parts.items() if name.startswith("prefix")}
    changed = {name: part for name, part in parts.items() if name not in learned}
    for layer in (0, 2):
        weights = class_token_attention(net, images(), prompts, parts, layer=layer)
        assert weights.shape == (2, 4, 1 + 3 + 2 + 16)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4))
    # without learned keys the rest of the weights keep their proportions in the first layer
    with_keys = class_token_attention(net, images(), prompts, parts, layer=0)
    without = class_token_attention(net, images(), prompts, changed, layer=0)
    torch.testing.assert_close(
        with_keys[..., -16:] / with_keys[..., :1],
        without[..., -16:] / without[..., :1],
        atol=1e-4,
        rtol=1e-3,
    )
    bare = class_token_attention(net, images(), layer=0)
    assert not torch.allclose(without[..., -16:], bare[..., -16:], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_map_is_what_the_patches_get_of_the_mean_over_heads(variant: str, kind: str) -> None:
    net, prompts = network(variant), families.prompts(network(variant), kind, 5)
    maps = patch_attention(net, images(), net.encode(prompts), layer=1)
    assert maps.shape == (2, 4, 4)
    torch.testing.assert_close(maps.sum(dim=(1, 2)), torch.ones(2))
    weights = class_token_attention(net, images(), prompts, layer=1).mean(dim=1)[:, -16:]
    expected = weights / weights.sum(dim=1, keepdim=True)
    torch.testing.assert_close(maps.flatten(1), expected)


def test_a_map_of_a_bfloat16_backbone_sums_to_one_and_is_close() -> None:
    exact = network("plain")
    rough = backbone.wrap(families.build("plain"), name="plain", device="cpu", dtype="bfloat16")
    found = [patch_attention(net, images(), net.encode(), layer=-1) for net in (exact, rough)]
    assert found[1].dtype == torch.float32
    torch.testing.assert_close(found[1].sum(dim=(1, 2)), torch.ones(2))
    torch.testing.assert_close(*found, atol=0.02, rtol=0.2)


def test_a_map_of_a_packed_backbone_is_the_same() -> None:
    plain, packed = network("plain"), network("plain")
    if not packed.can_pack:
        pytest.skip("this build of PyTorch cannot pack weights")
    packed.pack()
    prompts = families.prompts(plain, "deep", 5)
    parts = draw_parts(plain, ["lora", "adapter"], 2, 0)
    with torch.inference_mode():
        found = [
            patch_attention(net, images(), net.encode(prompts, parts)) for net in (plain, packed)
        ]
    torch.testing.assert_close(*found)
