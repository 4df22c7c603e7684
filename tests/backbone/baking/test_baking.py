"""A baked network gives the features of backbone and task, whatever of the task became weights."""

import pytest
import torch
from timm.layers import RmsNorm
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone, BackboneError
from facet_vision.backbone.baking import bake, fold
from tests.backbone.adaptation.reference import SIZES, draw_parts
from tests.backbone.families import VARIANTS, build, prompts

FOLDABLE = ("lora", "bias", "ssf")
SUMS = ("lora+bias+ssf", "adapter+parallel+prefix", "+".join(SIZES))


def network(variant: str, **changes: object) -> Backbone:
    return backbone.wrap(build(variant, **changes), device="cpu")


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def drawn(net: Backbone, kinds: str) -> dict[str, Tensor]:
    """Parts that are small enough for float32 to keep what is compared."""
    parts = draw_parts(net, kinds.split("+"), 2, 3)
    return {name: part if name.endswith(".scale") else 0.3 * part for name, part in parts.items()}


def weights(net: Backbone) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.model.state_dict().items()}


@pytest.mark.parametrize("kinds", [*SIZES, *SUMS])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_features_are_those_of_the_task(variant: str, kinds: str) -> None:
    net = network(variant)
    parts, before = drawn(net, kinds), weights(net)
    found = bake(net, (), parts)(images())
    expected = net.features(images(), (), parts)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, net.features(images()), atol=1e-3, rtol=0)
    assert all(torch.equal(before[name], value) for name, value in weights(net).items())


@pytest.mark.parametrize("prompted", ["shallow", "deep"])
@pytest.mark.parametrize("variant", ["plain", "query-key-norm", "siglip", "swin", "one-layer"])
@torch.no_grad()
def test_prompts_pass_through_the_changed_weights(variant: str, prompted: str) -> None:
    net = network(variant)
    learned, parts = prompts(net, prompted, 3), drawn(net, "lora+bias+ssf+adapter")
    found = bake(net, learned, parts)(images())
    torch.testing.assert_close(found, net.features(images(), learned, parts), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_affine_becomes_weights_and_the_rest_is_left(variant: str) -> None:
    net = network(variant)
    left = {name.split(".")[2] for name in fold(net, drawn(net, "+".join(FOLDABLE)))}
    # Without a mean to subtract, a norm is of a kind that has no place for a shift.
    assert left == ({"norm1", "norm2", "norm"} if variant == "sapiens2" else set())
    others = drawn(net, "adapter+parallel+prefix")
    before = weights(net)
    assert fold(net, others).keys() == others.keys()
    assert all(torch.equal(before[name], value) for name, value in weights(net).items())


@torch.no_grad()
def test_what_follows_a_layer_of_another_kind_is_left_and_applied() -> None:
    net = network("plain", norm_layer=RmsNorm)
    parts = drawn(net, "ssf+lora")
    baked = bake(net, (), parts)
    left = {site for _, site in baked._adaptation.changes}
    assert left == {"norm1", "norm2", "norm"}
    torch.testing.assert_close(
        baked(images()), net.features(images(), (), parts), atol=1e-5, rtol=1e-5
    )


def test_a_layer_without_a_bias_gets_one() -> None:
    net = network("no-bias")
    assert not net.has_bias(0, "qkv")
    fold(net, {"bias.0.qkv.bias": torch.ones(96)})
    assert torch.equal(net.model.get_submodule("blocks.0.attn.qkv").bias, torch.ones(96))


def test_the_sums_are_rounded_once() -> None:
    net = network("plain")
    before = net.model.get_submodule("blocks.1.mlp.fc1").weight.double()
    parts = draw_parts(net, ["lora"], 2, 0)
    a, b = parts["lora.1.fc1.a"].double(), parts["lora.1.fc1.b"].double()
    fold(net, parts)
    after = net.model.get_submodule("blocks.1.mlp.fc1").weight
    assert torch.equal(after, (before + b @ a).float())


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"lora.0.qkv.a": torch.zeros(1, 32)}, "expected the part 'b'"),
        ({"bias.9.qkv.bias": torch.zeros(96)}, "expected a layer and a site of the backbone"),
        ({"bias.0.qkv.bias": torch.zeros(95)}, r"expected shape \(96,\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, Tensor], words: str) -> None:
    with pytest.raises(BackboneError, match=words):
        bake(network("plain"), (), parts)


def test_a_packed_backbone_is_refused() -> None:
    net = network("plain")
    net.is_packed = True
    with pytest.raises(BackboneError, match="expected 'plain' of a backbone to bake"):
        bake(net)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (
            "plain",
            {
                "patch_embed.proj": (0, "embed"),
                "blocks.1.attn.qkv": (1, "qkv"),
                "blocks.2.mlp.fc2": (2, "fc2"),
                "norm": (2, "norm"),
            },
        ),
        ("average-fc-norm", {"fc_norm": (2, "norm")}),
        (
            "swin",
            {
                "patch_embed.norm": (0, "embed"),
                "layers.0.blocks.1.norm1": (1, "norm1"),
                "layers.1.blocks.0.attn.proj": (2, "proj"),
                "norm": (3, "norm"),
            },
        ),
    ],
)
def test_sites_are_known_by_the_names_of_modules(
    variant: str, expected: dict[str, tuple[int, str]]
) -> None:
    net = network(variant)
    found = net.sites()
    assert expected.items() <= found.items()
    assert len(found) == 6 * len(net.layer_dims) + 2


def test_gated_layers_are_no_sites() -> None:
    assert not any(".mlp." in name for name in network("dinov2-giant").sites())
