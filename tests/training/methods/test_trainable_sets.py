"""Trained parameters of every method, and their number, as in the paper's official code."""

import json
from pathlib import Path

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from facet_vision import backbone
from facet_vision.backbone.adaptation import has_bias
from facet_vision.backbone.families import (
    Family,
    SwinTransformerFamily,
    VisionTransformerFamily,
)
from tests.training.support.methods import method

SETS = json.loads((Path(__file__).parents[2] / "golden" / "trainable_sets.json").read_text())

OFFICIAL_NAMES = {
    "full": "end2end",
    "linear": "linear",
    "mlp-3": "linear",  # nothing of the backbone either
    "sidetune": "side",
    "partial-1": "partial-1",
    "partial-2": "partial-2",
    "partial-4": "partial-4",
    "bias-all": "tinytl-bias",
}
NETWORKS = {
    "vit": lambda: VisionTransformer(
        img_size=32, patch_size=8, embed_dim=48, depth=5, num_heads=4, mlp_ratio=2, num_classes=3
    ),
    "swin": lambda: SwinTransformer(
        img_size=64,
        patch_size=4,
        embed_dim=8,
        depths=(2, 2, 6, 2),
        num_heads=(1, 2, 2, 4),
        window_size=4,
    ),
}


@pytest.mark.parametrize("name", OFFICIAL_NAMES)
@pytest.mark.parametrize("family", NETWORKS)
def test_trainable_set_is_the_official_one(family: str, name: str) -> None:
    net = backbone.wrap(NETWORKS[family](), device="cpu")
    official = SETS[family][OFFICIAL_NAMES[name]]
    trained = method(name, net).trained().keys()
    own = {key.removeprefix("model.") for key in trained if key.startswith("model.")}
    assert own == set(official["backbone_timm_names"])
    assert _extra(trained, name) == set(official["extra"])


SITES = {"patch_embed.proj": "0/embed", "norm": "4/norm"}


def test_a_served_bias_is_every_bias_of_a_vit() -> None:
    net = backbone.wrap(NETWORKS["vit"](), device="cpu")
    parts = {key.removeprefix("parts.") for key in method("bias", net).trained() if "/" in key}
    official = {
        name.removesuffix(".bias") for name in SETS["vit"]["tinytl-bias"]["backbone_timm_names"]
    }
    in_blocks = {
        name.removeprefix("blocks.").replace("attn.", "").replace("mlp.", "").replace(".", "/")
        for name in official - SITES.keys()
    }
    assert parts == {f"bias/{place}/bias" for place in {*in_blocks, *SITES.values()}}
    assert official >= SITES.keys()


def test_an_adapter_is_the_official_one() -> None:
    net = backbone.wrap(NETWORKS["vit"](), device="cpu")
    official = SETS["vit"]["adapter"]["backbone_timm_names"]
    shapes = [key for key in method("adapter", net).trained() if key.startswith("parts.")]
    assert len(shapes) == len(official) == 4 * 5


def _extra(trained: object, name: str) -> set[str]:
    """Return the trained parameters outside of the backbone, by their official names."""
    outside = {key for key in trained if not key.startswith("model.")}
    if name == "mlp-3":  # its hidden layers have no counterpart
        outside = {key.replace("head.2.", "head.") for key in outside if key.startswith("head.2.")}
    return {
        "side.features.*" if key.startswith("side.") else key.replace("head.", "head.last_layer.")
        for key in outside
    }


class Facts:
    """The facts of a backbone that methods read in their constructor, without its weights."""

    def __init__(self, model: nn.Module, family: Family) -> None:
        self.model = model.requires_grad_(False)
        self.layer_dims = family.layer_dims
        self.feature_dim = family.feature_dim
        self.widths = family.widths
        self.has_bias = lambda layer, site: has_bias(model, family.blocks[layer], site)


@pytest.fixture(scope="module")
def vit_b() -> Facts:
    with torch.device("meta"):
        model = VisionTransformer(num_classes=0)
        return Facts(model, VisionTransformerFamily(model))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("full", {}, 85_798_656),
        ("partial-1", {}, 7_089_408),
        ("mlp-3", {}, 1_184_256),
        ("bias", {}, 102_912),
        ("bias-all", {}, 102_912),
        ("ssf", {}, 2 * 12 * (768 * 4 + 3 * 768 + 4 * 768) + 4 * 768),
        ("prefix", {"tokens": 10}, 12 * 2 * 10 * 768),
        ("vpt-deep+lora", {"tokens": 50, "rank": 8}, 460_800 + 12 * 8 * (768 + 3 * 768)),
        ("sidetune", {}, 9_547_585),
        ("adapter", {"reduction": 8}, 1_779_840),
        ("adapter", {"reduction": 64}, 230_544),
        ("adapter", {"reduction": 256}, 64_548),
        ("lora", {"rank": 8}, 12 * 8 * (768 + 3 * 768)),
        ("vpt-shallow", {"tokens": 50}, 768 * 50),
        ("vpt-deep", {"tokens": 50}, 460_800),
    ],
)
def test_number_of_tuned_parameters_on_vit_b(
    vit_b: Facts, name: str, given: dict, expected: int
) -> None:
    trained = method(name, vit_b, **given).trained()
    last = ("head.weight", "head.bias") if name != "mlp-3" else ("head.2.weight", "head.2.bias")
    assert sum(trained[key].numel() for key in last) == 3 * 769
    assert (
        sum(parameter.numel() for key, parameter in trained.items() if key not in last) == expected
    )


def test_number_of_tuned_biases_on_swin_b_counts_the_tables() -> None:
    with torch.device("meta"):
        model = SwinTransformer(
            embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), num_classes=0
        )
    trained = method("bias-all", Facts(model, SwinTransformerFamily(model))).trained()
    tables = [
        parameter.numel()
        for key, parameter in trained.items()
        if key.endswith("relative_position_bias_table")
    ]
    assert len(tables) == 24
    total = sum(
        parameter.numel() for key, parameter in trained.items() if not key.startswith("head.")
    )
    assert 1 + (19 * total + 940 * 1025) / 86_743_224 == pytest.approx(1.055, abs=0.001)
