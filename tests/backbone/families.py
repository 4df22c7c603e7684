"""One small random model per supported variant; every contract test runs over all of them."""

from typing import Any

import torch
from timm.layers import SwiGLUPacked
from timm.models.deit import VisionTransformerDistilled
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
