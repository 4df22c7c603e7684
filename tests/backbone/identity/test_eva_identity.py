"""Every option of the Eva family that changes features, each alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from timm.layers import LayerNorm
from timm.layers.activations import QuickGELU

from facet_vision.backbone.identity import fingerprint
from tests.backbone.families import build
from tests.backbone.identity.pairs import (
    changed,
    check_different,
    check_same,
    of,
    put,
    rebuilt,
)

Pairs = dict[str, Callable[[], tuple[Any, Any]]]


def with_rope(variant: str, **values: Any) -> tuple[Any, Any]:
    """Two networks, the second with other attributes of its rotation."""

    def change(model: Any) -> None:
        vars(model.rope).update(values)
        model.rope.init_non_persistent_buffers()

    return changed(variant, change)


DIFFERENT: Pairs = {
    "kind of rotation": lambda: rebuilt("dinov3", rope_type="cat"),
    "no rotation": lambda: rebuilt("dinov3", use_rot_pos_emb=False),
    "halves": lambda: rebuilt("dinov3", rope_rotate_half=False),
    "temperature": lambda: rebuilt("dinov3", rope_temperature=10),
    "offset": lambda: rebuilt("dinov3", rope_grid_offset=0.25),
    "periods": lambda: with_rope("dinov3", min_period=1.0, max_period=9.0),
    "axes": lambda: rebuilt("dinov3", rope_grid_indexing="xy"),
    "temperature of axes": lambda: rebuilt("rope-axial", rope_temperature=10.0),
    "order of axes": lambda: rebuilt("rope-axial", rope_grid_indexing="ij"),
    "offset of axes": lambda: rebuilt("pe-core", rope_grid_offset=0.0),
    "grid of pretraining": lambda: rebuilt("pe-core", ref_feat_shape=(5, 5)),
    "no grid of pretraining": lambda: rebuilt("eva02-base", ref_feat_shape=None),
    "kind of grid": lambda: with_rope("rope-axial", grid_type="centered"),
    "bands by pixels": lambda: with_rope("rope-axial", in_pixels=True),
    "order of mixed axes": lambda: rebuilt("rope-mixed", rope_grid_indexing="ij"),
    "norm behind": lambda: rebuilt("eva-post-norm", use_post_norm=False),
    "pooling": lambda: rebuilt("dinov3", global_pool="token"),
    "heads": lambda: rebuilt("dinov3", num_heads=8),
    "heads of pool": lambda: rebuilt("pe-core", attn_pool_num_heads=4),
    "scale": lambda: changed("rope-axial", put("blocks.attn.scale", 0.5)),
    "activation": lambda: changed("dinov3", put("blocks.mlp.act", QuickGELU())),
    "order of gate": lambda: changed("eva02-small", put("blocks.mlp.gate_last", True)),
    "eps": lambda: rebuilt("dinov3", norm_layer=partial(LayerNorm, eps=1e-2)),
    "norm of features": lambda: (build("dinov3"), build("dinov3", use_fc_norm=True)),
    "norm in front": lambda: (build("eva"), build("eva", use_pre_transformer_norm=True)),
    "gated attention": lambda: (build("eva02-clip"), build("eva-gated")),
    "separate projections": lambda: (build("eva02-small"), build("eva02-small", qkv_fused=False)),
    "shared keys": lambda: (build("sapiens2"), build("sapiens2", num_kv_heads=2)),
}
"""Pairs of networks that are not the same function."""

WEIGHTS_TELL = {
    *("norm of features", "norm in front", "gated attention", "separate projections"),
    "shared keys",
}

SAME: Pairs = {
    "shift in training": lambda: rebuilt("dinov3", rope_shift_coords=0.5),
    "scale in training": lambda: rebuilt("rope-axial", rope_rescale_coords=2.0),
    "other sizes allowed": lambda: rebuilt("pe-core", dynamic_img_size=True),
    "initial frequencies": lambda: rebuilt("rope-mixed", rope_temperature=100.0),
    "fused attention": lambda: changed("dinov3", put("blocks.attn.fused_attn", False)),
}
"""Pairs of networks that are the same function."""


@pytest.mark.parametrize("case", DIFFERENT)
def test_every_option_that_changes_features_changes_the_fingerprint(case: str) -> None:
    check_different(*DIFFERENT[case](), by_weights=case in WEIGHTS_TELL)


@pytest.mark.parametrize("case", SAME)
def test_no_other_option_does(case: str) -> None:
    check_same(*SAME[case]())


def test_the_grid_is_that_of_the_input_size() -> None:
    """Not square, the axes can be divided by each other's sides."""
    tall = {"img_size": (32, 16)}
    one, other = build("dinov3", **tall), build("dinov3", **tall)
    other.rope.normalize_coords = "max"
    assert of(one)["preprocessing"]["input_size"] == [3, 32, 16]
    assert fingerprint(of(one)) != fingerprint(of(other)) != fingerprint(of(build("dinov3")))
