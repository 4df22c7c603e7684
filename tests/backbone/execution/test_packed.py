"""Packed weights change nothing but the time and their layout in memory."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from timm.layers import GELU, GELUTanh, LayerNorm, Mlp, QuickGELU
from torch import nn

from facet_vision import backbone
from facet_vision.backbone import Backbone, BackboneError
from facet_vision.backbone.execution import packed
from tests.backbone.families import VARIANTS, build, prompts

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}

pytestmark = pytest.mark.skipif(
    not packed.available(torch.float32), reason="this PyTorch lacks oneDNN's linear layer"
)

needs_bfloat16 = pytest.mark.skipif(
    not packed.available(torch.bfloat16),
    reason="oneDNN packs bfloat16 only with AVX-512 or the like, which this processor lacks",
)


def _pair(variant: str, dtype: str = "float32") -> tuple[Backbone, Backbone]:
    plain = backbone.wrap(build(variant), device="cpu", dtype=dtype)
    net = copy.deepcopy(plain)
    net.pack()
    return plain, net


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_features_are_those_of_the_plain_form(variant: str) -> None:
    plain, net = _pair(variant)
    images = torch.randn(5, 3, 32, 32)
    tasks = [
        (prompts(plain, kind, tokens, tokens), 1)
        for kind, tokens in (("deep", 3), ("none", 1), ("shallow", 2))
    ]
    tasks += [(prompts(plain, "deep", 4, 9), 2)]
    found, expected = (
        one.features_mixed(images, [(one.encode(learned), rows) for learned, rows in tasks])
        for one in (net, plain)
    )
    torch.testing.assert_close(found, expected, **TOLERANCE)
    tokens = [
        plain.features(images[row : row + 1], tasks[row][0], form="tokens") for row in range(3)
    ]
    torch.testing.assert_close(found[:3], torch.cat(tokens), **TOLERANCE)


@pytest.mark.parametrize("norm_layer", [None, LayerNorm])
@pytest.mark.parametrize(
    "act_layer",
    [GELU, GELUTanh, QuickGELU, nn.GELU, partial(nn.GELU, approximate="tanh"), nn.ReLU],
    ids=["gelu", "tanh-gelu", "quick-gelu", "torch-gelu", "torch-tanh-gelu", "relu"],
)
@torch.inference_mode()
def test_a_packed_mlp_keeps_its_activation_and_its_norm(act_layer: Any, norm_layer: Any) -> None:
    mlp = Mlp(8, 32, act_layer=act_layer, norm_layer=norm_layer)
    for parameter in mlp.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(packed.PackedMlp(mlp)(x), mlp(x), **TOLERANCE)


@pytest.mark.parametrize(
    "variant",
    [
        *("plain", "clip", "siglip", "beit3", "dinov2-giant", "no-bias", "swin-three-stages"),
        *("dinov3", "rope-mixed"),
    ],
)
def test_no_weight_is_in_memory_twice(variant: str) -> None:
    net = _pair(variant)[1]
    attentions = [block.attn for block in net._family.blocks]
    layers = [layer for attn in attentions for layer in (attn.qkv, attn.proj)]
    assert all(layer.weight is None for layer in layers)
    mlps = [block.mlp for block in net._family.blocks]
    assert all((mlp.fc2.weight is None) == (variant != "dinov2-giant") for mlp in mlps)


def test_a_gradient_cannot_be_asked_for_by_mistake() -> None:
    net = _pair("plain")[1]
    with pytest.raises(
        BackboneError, match="form: expected 'prefix' of a packed backbone, found 'tokens'"
    ):
        net.features(torch.zeros(1, 3, 32, 32), form="tokens")
    with pytest.raises(BackboneError, match="gradients: expected none"):
        net.features(torch.zeros(1, 3, 32, 32), [torch.zeros(2, 32, requires_grad=True)] * 3)


@needs_bfloat16
@pytest.mark.parametrize("variant", ["plain", "siglip", "beit3"])
@torch.inference_mode()
def test_bfloat16_is_packed_where_the_processor_can(variant: str) -> None:
    plain, net = _pair(variant, "bfloat16")
    images = torch.randn(3, 3, 32, 32)
    learned = prompts(plain, "deep", 3)
    found, expected = (one.features(images, learned).float() for one in (net, plain))
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)


def test_a_precision_that_onednn_cannot_pack_is_refused() -> None:
    net = backbone.wrap(build("plain"), device="cpu", dtype="float16")
    _assert_refused(net, "float16 on cpu cannot be packed here")


def test_a_processor_that_cannot_pack_bfloat16_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "available", lambda dtype: dtype == torch.float32)
    net = backbone.wrap(build("plain"), device="cpu", dtype="bfloat16")
    _assert_refused(net, "bfloat16 on cpu cannot be packed here")
    with pytest.raises(BackboneError, match="bfloat16 on cpu cannot be packed here"):
        backbone.load("facet-tiny", device="cpu", dtype="bfloat16", execution="packed")
    auto = backbone.load("facet-tiny", device="cpu", dtype="bfloat16", execution="auto")
    assert auto.execution == "plain"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_said_to_be_available_is(dtype: torch.dtype) -> None:
    weight = torch.ones(8, 8, dtype=dtype)
    if packed.available(dtype):
        found = packed.PackedLinear(weight, None)(torch.ones(2, 8, dtype=dtype))
        assert found.eq(8).all()
    elif dtype == torch.bfloat16:
        with pytest.raises(RuntimeError, match="needs the cpu support"):
            packed.PackedLinear(weight, None)


def _assert_refused(net: Backbone, sentence: str) -> None:
    assert not net.can_pack
    assert net.pack_if_faster() is None
    with pytest.raises(BackboneError, match=sentence):
        net.pack()
    assert net.execution == "plain"


@pytest.mark.parametrize(("ratio", "is_packed"), [(0.5, True), (0.99, False)])
def test_auto_packs_where_the_measurement_says_so(
    ratio: float, is_packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "gain", lambda *_: ratio)
    net = backbone.wrap(build("plain"), device="cpu")
    assert net.pack_if_faster() == ratio
    assert net.is_packed is is_packed


def test_the_measurement_compares_times() -> None:
    mlp = build("plain").blocks[0].mlp
    assert 0 < packed.gain(mlp, 32) < 100
    unknown = nn.Sequential(nn.Linear(8, 8))  # left as it is: both take the same
    assert not packed.can_pack(unknown)


def test_execution_is_an_option_of_load() -> None:
    name = "facet-tiny"
    assert backbone.load(name, device="cpu", execution="packed").is_packed
    assert not backbone.load(name, device="cpu").is_packed
    auto = backbone.load(name, device="cpu", execution="auto")
    images = torch.randn(2, *auto.input_size)
    with torch.inference_mode():
        torch.testing.assert_close(
            auto.features(images), backbone.load(name).features(images), **TOLERANCE
        )
    with pytest.raises(
        BackboneError, match="execution: expected auto, plain, packed, found 'fast'"
    ):
        backbone.load(name, execution="fast")


def test_packing_twice_is_packing_once() -> None:
    net = _pair("plain")[1]
    before = net._family.dense
    net.pack()
    assert net._family.dense is before
    assert net.pack_if_faster() is None
