"""One small random model per supported variant; every contract test runs over all of them."""

from functools import partial
from typing import Any

import torch
from timm.layers import LayerNorm, RmsNorm, SwiGLUPacked
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from facet_vision.backbone import Backbone

SMALL_VIT: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 32,
    "depth": 3,
    "num_heads": 4,
    "num_classes": 5,
}

SMALL_SWIN: dict[str, Any] = {
    "cls": SwinTransformer,
    "img_size": 32,
    "patch_size": 4,
    "embed_dim": 12,
    "depths": (2, 2),
    "num_heads": (2, 4),
    "window_size": 4,
    "num_classes": 5,
}


def gated_eva(**options: Any) -> Eva:
    """Build an Eva whose attention is gated, as timm's blocks can be but no named model is."""
    model = Eva(**options)
    for block in model.blocks:
        block.attn.gate = nn.Linear(model.embed_dim, model.embed_dim)
    return model


ROTATED: dict[str, Any] = {"cls": Eva, "use_rot_pos_emb": True}

SMALL_DINOV3: dict[str, Any] = {
    **ROTATED,
    "dynamic_img_size": True,
    "qkv_bias": False,
    "init_values": 0.3,
    "rope_type": "dinov3",
    "rope_temperature": 100,
    "rope_rotate_half": True,
    "use_abs_pos_emb": False,
    "num_reg_tokens": 4,
    "use_fc_norm": False,
    "norm_layer": partial(LayerNorm, eps=1e-5),
}

SMALL_EVA02: dict[str, Any] = {**ROTATED, "swiglu_mlp": True, "ref_feat_shape": (2, 2)}

SMALL_PE: dict[str, Any] = {
    **ROTATED,
    "attn_type": "rope",
    "use_pre_transformer_norm": True,
    "ref_feat_shape": (3, 3),
    "rope_grid_offset": 1.0,
    "rope_grid_indexing": "xy",
}

SMALL_ROPE: dict[str, Any] = {
    **ROTATED,
    "attn_type": "rope",
    "global_pool": "token",
    "init_values": 0.3,
    "rope_grid_indexing": "xy",
}

EVA: dict[str, dict[str, Any]] = {
    "dinov3": SMALL_DINOV3,
    "dinov3-bias": {**SMALL_DINOV3, "qkv_bias": True, "global_pool": "token"},
    "dinov3-swiglu": {**SMALL_DINOV3, "swiglu_mlp": True, "swiglu_align_to": 8},
    "eva": {"cls": Eva},
    "eva-post-norm": {"cls": Eva, "use_post_norm": True, "global_pool": "token"},
    "eva-gated": {**ROTATED, "cls": gated_eva, "global_pool": "token"},
    "eva02-small": SMALL_EVA02,
    "eva02-base": {**SMALL_EVA02, "scale_mlp": True, "qkv_fused": False},
    "eva02-clip": {
        **SMALL_EVA02,
        "scale_mlp": True,
        "scale_attn_inner": True,
        "qkv_fused": False,
        "global_pool": "token",
    },
    "pe-core": {**SMALL_PE, "global_pool": "map", "attn_pool_num_heads": 2},
    "pe-lang": {
        **SMALL_PE,
        "use_post_transformer_norm": False,
        "use_fc_norm": False,
        "class_token": False,
        "init_values": 0.3,
    },
    "rope-axial": {**SMALL_ROPE, "use_abs_pos_emb": False, "rope_temperature": 100.0},
    "rope-mixed": {
        **SMALL_ROPE,
        "no_embed_class": True,
        "rope_temperature": 10.0,
        "rope_type": "mixed",
    },
    "rope-registers": {**ROTATED, "class_token": False, "num_reg_tokens": 2, "init_values": 0.3},
    "sapiens2": {
        **SMALL_DINOV3,
        "qkv_bias": True,
        "num_kv_heads": (4, 2, 1),
        "attn_type": "rope",
        "qkv_fused": False,
        "qk_norm": True,
        "global_pool": "token",
        "swiglu_mlp": True,
        "attn_only_layer_scale": True,
        "norm_layer": partial(RmsNorm, eps=1e-6),
    },
}
"""Variants of timm's Eva."""

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deit-distilled": {"cls": VisionTransformerDistilled},
    "deit3": {"no_embed_class": True, "init_values": 0.3},
    "clip": {"pre_norm": True, "act_layer": "quick_gelu"},
    "dinov2-registers": {"reg_tokens": 4, "init_values": 0.3, "no_embed_class": True},
    "dinov2-giant": {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU, "init_values": 0.3},
    "average-fc-norm": {"global_pool": "avg"},
    "average-no-class": {"global_pool": "avg", "class_token": False, "fc_norm": False},
    "siglip": {"global_pool": "map", "class_token": False, "act_layer": "gelu_tanh"},
    "map-with-class": {"global_pool": "map", "reg_tokens": 2},
    "beit3": {"global_pool": "avg", "scale_attn_norm": True, "scale_mlp_norm": True},
    "query-key-norm": {"qk_norm": True, "scale_attn_norm": True},
    "no-bias": {"qkv_bias": False, "pos_embed": "none"},
    "one-layer": {"depth": 1},
    "swin": SMALL_SWIN,
    "swin-padded-windows": {**SMALL_SWIN, "window_size": 3},
    "swin-any-size": {**SMALL_SWIN, "dynamic_img_size": True},
    "swin-three-stages": {
        **SMALL_SWIN,
        "depths": (1, 2, 1),
        "num_heads": (2, 2, 4),
        "qkv_bias": False,
    },
    **EVA,
}


def build(variant: str, seed: int = 0, **changes: Any) -> Any:
    """Build a variant with random weights of a size that leaves no term near zero."""
    options = {**VARIANTS[variant], **changes}
    kind = options.pop("cls", VisionTransformer)
    torch.manual_seed(seed)
    model = kind(**options) if kind is SwinTransformer else kind(**{**SMALL_VIT, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0 if parameter.ndim > 1 else 0.5, 0.2)
    return model.eval()


def prompts(net: Backbone, kind: str, tokens: int, seed: int = 0) -> list[torch.Tensor]:
    """Random prompts of a kind: "none", "shallow" or "deep"."""
    count = {"none": 0, "shallow": 1, "deep": len(net.layer_dims)}[kind]
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tokens, dim, generator=generator) for dim in net.layer_dims[:count]]
