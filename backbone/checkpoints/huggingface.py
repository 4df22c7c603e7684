"""Names of `transformers` (ViT, DeiT, DINOv2 with and without registers, Swin) in timm's.

Both are read: the names in its files and, since its fifth version, those of its live modules.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

PATCHES = "embeddings.patch_embeddings.projection.weight"

RENAMED = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^embeddings\.norm\.", "patch_embed.norm."),
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^embeddings\.cls_token$", "cls_token"),
        (r"^embeddings\.distillation_token$", "dist_token"),
        (r"^embeddings\.register_tokens$", "reg_token"),
        (r"^layernorm\.", "norm."),
        (r"^encoder\.layers\.(\d+)\.(blocks|downsample)\.", r"layers.\1.\2."),
        (r"^(encoder\.layer|layers)\.(\d+)\.(?!blocks\.|downsample\.)", r"blocks.\2."),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.attention\.o_proj\.", ".attn.proj."),
        (r"\.attention\.(attention|self)\.(query|key|value)\.", r".attn.\2."),
        (r"\.attention\.q_proj\.", ".attn.query."),
        (r"\.attention\.k_proj\.", ".attn.key."),
        (r"\.attention\.v_proj\.", ".attn.value."),
        (r"\.attention\.(self|relative_position_bias)\.relative_", ".attn.relative_"),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"\.output\.dense\.", ".mlp.fc2."),
        (r"\.mlp\.weights_in\.", ".mlp.fc1."),
        (r"\.mlp\.(weights_out|down_proj)\.", ".mlp.fc2."),
        (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    )
]

FUSED = {
    ".attn.qkv.": (".attn.query.", ".attn.key.", ".attn.value."),
    ".mlp.fc1.": (".mlp.gate_proj.", ".mlp.up_proj."),
}
"""One matrix of timm's, and those of `transformers` that are stacked in it."""

LEFT_OUT = ("embeddings.mask_token", "pooler.", "classifier.")
"""What does not enter the features: for pretraining, or a classifier on top."""


def is_huggingface(state: Mapping[str, Tensor]) -> bool:
    """Tell whether the names are those of `transformers`."""
    return PATCHES in state


def timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state by timm's names; names that are not known stay as they are."""
    renamed = {
        timm_name(name): value for name, value in state.items() if not name.startswith(LEFT_OUT)
    }
    for whole, parts in FUSED.items():
        _fuse(renamed, whole, parts)
    if "reg_token" in renamed and {"cls_token", "pos_embed"} <= renamed.keys():
        # timm adds positions to the patches alone, so the class token takes its own with it
        positions = renamed["pos_embed"]
        renamed["cls_token"] = renamed["cls_token"] + positions[:, :1]
        renamed["pos_embed"] = positions[:, 1:]
    return renamed


def timm_name(name: str) -> str:
    """Return a tensor's name in timm's form; queries, keys and values stay apart."""
    for pattern, replacement in RENAMED:
        name = pattern.sub(replacement, name)
    return name


def _fuse(state: dict[str, Tensor], whole: str, parts: tuple[str, ...]) -> None:
    """Stack matrices that timm has in one; where a part is missing they stay as they are."""
    for name in [name for name in state if parts[0] in name]:
        names = [name.replace(parts[0], part) for part in parts]
        if all(each in state for each in names):
            state[name.replace(parts[0], whole)] = torch.cat([state.pop(each) for each in names])
