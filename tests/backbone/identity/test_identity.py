"""The identity of a backbone: every option that changes its features, and nothing else."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from timm.layers.activations import QuickGELU
from torch import nn

from facet_vision import backbone
from facet_vision.backbone.identity import fingerprint, identity
from facet_vision.backbone.identity.architecture import KINDS, architecture, is_plain
from tests.backbone.families import VARIANTS, build
from tests.backbone.identity.pairs import (
    changed,
    check_different,
    check_same,
    of,
    put,
    rebuilt,
)

INERT = {
    # Sizes: those of the weights and of the input say the same.
    *("in_chans", "num_features", "head_hidden_size", "embed_dim", "in_features", "out_features"),
    *("in_channels", "out_channels", "kernel_size", "normalized_shape", "num_layers", "depth"),
    *("dim", "out_dim", "head_dim", "attn_dim", "mlp_ratio", "latent_dim", "latent_len"),
    *("img_size", "patch_size", "grid_size", "num_patches", "feat_size", "window_area"),
    *("input_resolution", "output_resolution"),
    # Weights by their absence, whose names say it.
    *("reg_token", "cls_token", "cls_embed", "pos_embed", "attn_pool", "gate", "rope"),
    *("qkv", "q_proj", "k_proj", "v_proj", "q_bias", "k_bias", "v_bias", "gamma_1", "gamma_2"),
    *("num_kv_heads", "num_kv_groups", "kv_dim", "rope_mixed"),
    *("affine", "elementwise_affine", "track_running_stats"),
    # Training, initial values, dropout, the classifier.
    *("training", "grad_checkpointing", "weight_init_mode", "fix_init", "distilled_training"),
    *("head_init_scale", "shift_coords", "jitter_coords", "rescale_coords", "aug_active"),
    *("init_values", "momentum", "p", "drop_prob", "scale_by_keep", "num_classes"),
    # How the same values are computed or laid out.
    *("qkv_bias_separate", "pos_embed_cached", "patch_drop", "feat_shape"),
    *("inplace", "fused_attn", "flatten", "output_fmt", "transposed", "output_padding"),
    # Other sizes of input, which a backbone here never has, and what window and shift come from.
    *("dynamic_img_size", "strict_img_size", "dynamic_mask", "always_partition"),
    "target_shift_size",
    # Descriptions.
    *("feature_info", "pretrained_cfg", "pretrained_model_args", "default_cfg"),
}
"""Attributes that change no feature of a network with the same weights and size of input."""


class Leaky(nn.Module):
    """An activation that no library has."""

    def __init__(self, slope: float = 0.1) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x, self.slope * x)


def layer_norm(eps: float = 1e-3) -> Any:
    return partial(nn.LayerNorm, eps=eps)


def bare_norm(width: int) -> nn.Module:
    return nn.LayerNorm(width, elementwise_affine=False)


def more_heads_in_pool(model: Any) -> None:
    model.attn_pool.num_heads, model.attn_pool.head_dim = 8, 4


DIFFERENT: dict[str, Callable[[], tuple[Any, Any]]] = {
    "activation": lambda: rebuilt("plain", act_layer="quick_gelu"),
    "approximate gelu": lambda: rebuilt("plain", act_layer=partial(nn.GELU, approximate="tanh")),
    "unknown activation": lambda: rebuilt("plain", act_layer=Leaky),
    "its attribute": lambda: changed("plain", put("blocks.mlp.act.slope", 0.3), act_layer=Leaky),
    "heads": lambda: rebuilt("plain", num_heads=8),
    "eps": lambda: rebuilt("plain", norm_layer=layer_norm()),
    "eps of one block": lambda: changed("plain", put("blocks.norm1.eps", 1.0, first=2)),
    "scale": lambda: changed("plain", put("blocks.attn.scale", 0.5)),
    "pre-norm": lambda: changed("plain", put("norm_pre", bare_norm(32))),
    "query norm": lambda: changed("plain", put("blocks.attn.q_norm", bare_norm(8))),
    "norm of attention": lambda: changed("plain", put("blocks.attn.norm", bare_norm(32))),
    "norm of features": lambda: changed("plain", put("fc_norm", bare_norm(32))),
    "pooling": lambda: changed("plain", put("global_pool", "avg")),
    "pooling of prefix": lambda: changed("average-fc-norm", put("pool_include_prefix", True)),
    "heads of pool": lambda: changed("siglip", more_heads_in_pool),
    "gate": lambda: changed("dinov2-giant", put("blocks.mlp.gate_last", True)),
    "stride": lambda: changed("no-bias", put("patch_embed.proj.stride", (4, 4))),
    "padding": lambda: changed("no-bias", put("patch_embed.proj.padding", (4, 4))),
    "dilation": lambda: changed("no-bias", put("patch_embed.proj.dilation", (2, 2))),
    "size of patches": lambda: (build("plain"), build("plain", patch_size=4)),
    "embedding of the class": lambda: (build("plain"), build("plain", no_embed_class=True)),
    "layer scale": lambda: (build("plain"), build("plain", init_values=1.0)),
    "register tokens": lambda: (build("plain"), build("plain", reg_tokens=2)),
    "window": lambda: (build("swin"), build("swin", window_size=2)),
    "shift": lambda: changed("swin", put("blocks.shift_size", (1, 1))),
    "scale of windows": lambda: changed("swin", put("blocks.attn.scale", 0.5)),
    "activation of windows": lambda: changed("swin", put("blocks.mlp.act", QuickGELU())),
    "eps of windows": lambda: rebuilt("swin", norm_layer=layer_norm()),
}
"""Pairs of networks that are not the same function."""

WEIGHTS_TELL = {
    *("size of patches", "embedding of the class", "layer scale", "register tokens", "window"),
}

SAME: dict[str, Callable[[], tuple[Any, Any]]] = {
    "torch's own layers": lambda: rebuilt("plain", norm_layer=layer_norm(1e-6), act_layer=nn.GELU),
    "timm's silu": lambda: rebuilt("plain", act_layer="silu"),
    "fused attention": lambda: changed("plain", put("blocks.attn.fused_attn", False)),
    "dropout": lambda: rebuilt("plain", drop_rate=0.5, attn_drop_rate=0.5, drop_path_rate=0.5),
    "other sizes allowed": lambda: rebuilt("plain", dynamic_img_size=True),
    "checkpoints of gradients": lambda: changed("plain", lambda net: net.set_grad_checkpointing()),
    "classifier": lambda: changed("plain", lambda net: net.reset_classifier(7)),
    "padding of nothing": lambda: changed("swin", put("blocks.target_shift_size", (3, 3))),
}
"""Pairs of networks that are the same function."""


@pytest.mark.parametrize("case", DIFFERENT)
def test_every_option_that_changes_features_changes_the_fingerprint(case: str) -> None:
    check_different(*DIFFERENT[case](), by_weights=case in WEIGHTS_TELL)


@pytest.mark.parametrize("case", SAME)
def test_no_other_option_does(case: str) -> None:
    one, other = SAME[case]()
    if case == "timm's silu":
        one = rebuilt("plain", act_layer=nn.SiLU)[1]
    check_same(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"input_size": (3, 40, 40)},
        {"mean": (0.5, 0.5, 0.4)},
        {"std": (0.5, 0.5, 0.4)},
        {"interpolation": "bilinear"},
        {"crop_pct": 0.8},
        {"crop_mode": "squash"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_option_of_the_preprocessing_does(change: dict[str, Any]) -> None:
    model = build("plain")
    pixels = torch.randint(0, 256, (50, 70, 3), dtype=torch.uint8)
    image = Image.fromarray(pixels.numpy())
    one = backbone.Preprocess.of(model)
    other = dataclasses.replace(one, **change)
    assert fingerprint(identity(model, one)) != fingerprint(identity(model, other))
    if "input_size" not in change:
        assert not torch.allclose(one(image), other(image), atol=1e-3)


def test_all_of_the_preprocessing_is_stated() -> None:
    fields = {field.name for field in dataclasses.fields(backbone.Preprocess)}
    assert set(of(build("plain"))["preprocessing"]) == fields


@pytest.mark.parametrize("variant", [*VARIANTS, "facet_tiny"])
def test_every_attribute_of_every_module_is_stated_or_known_to_be_inert(variant: str) -> None:
    model = timm.create_model(variant) if variant == "facet_tiny" else build(variant)
    for name, module in model.named_modules():
        if name.startswith("head"):
            continue
        assert type(module) in KINDS, name
        stated = {*KINDS[type(module)][1], "approximate"}
        found = {key for key, value in vars(module).items() if is_plain(value)}
        if type(module).__name__ == "WindowAttention":
            found -= {"window_size"}  # its block states it
        if type(module).__name__ == "RotaryEmbeddingMixed":
            found -= {"temperature", "num_heads"}  # its frequencies tell
        assert {key for key in found - stated if not key.startswith("_")} <= INERT, name


def test_device_precision_and_execution_are_no_part_of_it() -> None:
    marks = set()
    for dtype in ("float32", "bfloat16"):
        net = backbone.wrap(build("plain"), device="cpu", dtype=dtype)
        if net.can_pack:
            net.pack()
        marks.add(net.fingerprint)
    assert marks == {fingerprint(of(build("plain")))}


def test_the_fingerprint_changes_with_the_weights_but_not_with_a_classifier() -> None:
    model = build("plain")
    mark = fingerprint(of(model))
    torch.nn.init.zeros_(model.head.weight)
    assert fingerprint(of(model)) == mark
    model.blocks[1].mlp.fc1.bias.data[3] += 1e-3
    assert fingerprint(of(model)) != mark


def test_two_clip_models_of_the_same_weights_differ_in_their_activation() -> None:
    with torch.device("meta"):
        plain, quick = (
            architecture(timm.create_model(name, num_classes=0))
            for name in ("vit_base_patch16_clip_224", "vit_base_patch16_clip_quickgelu_224")
        )
    assert plain.keys() == quick.keys()
    differing = {key: (plain[key], quick[key]) for key in plain if plain[key] != quick[key]}
    assert differing == {"blocks.*.mlp.act": ("gelu", "quick_gelu")}


def test_options_of_a_sequence_are_stated_once_where_they_agree() -> None:
    stated = architecture(build("swin-three-stages", num_heads=(2, 2, 3)))
    assert stated["layers.0.blocks.*.attn.num_heads"] == 2
    assert stated["layers.2.blocks.*.attn.num_heads"] == 3
    assert stated["layers.*.blocks.*.mlp.act"] == "gelu"
    assert list(stated) == sorted(stated)


def test_the_fingerprint_of_the_embedded_backbone_never_changes() -> None:
    """Not with a version of timm or torch either: task files name it."""
    assert backbone.load("facet-tiny", device="cpu").fingerprint == (
        "v2:81163c742ddf399d30a122115765be82b98acf1d3c2e667928152d457889271e"
    )
