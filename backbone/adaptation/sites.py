"""The sites of timm's transformer blocks at which a task can change something."""

from typing import Any

import torch
from timm.layers import Mlp
from torch import Tensor, nn

Widths = tuple[int, int]
"""How many numbers a site reads and writes."""


def block_widths(block: Any, dim: int, site: str) -> Widths | None:
    """Return the widths of a site of a block of width `dim`; None if it has no such site."""
    if site in ("norm1", "norm2", "block"):
        return dim, dim
    if site == "qkv":
        layers = qkv_layers(block.attn)
        return layers[0].in_features, sum(layer.out_features for layer in layers)
    owner = block.attn if site == "proj" else block.mlp
    # Gated MLPs have layers of these names whose outputs mean something else.
    if site not in ("proj", "fc1", "fc2") or (owner is block.mlp and not has_sites(owner)):
        return None
    layer = getattr(owner, site)
    return layer.in_features, layer.out_features


def qkv_layers(attn: Any) -> tuple[Any, ...]:
    """Return the layers whose outputs side by side are those of the site qkv: one, or three."""
    return (attn.q_proj, attn.k_proj, attn.v_proj) if attn.qkv is None else (attn.qkv,)


def own_bias(attn: Any) -> Tensor | None:
    """Return the biases that EVA's attention keeps beside its fused layer, (out,)."""
    if getattr(attn, "q_bias", None) is None:
        return None
    return torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))


def has_sites(mlp: Any) -> bool:
    """Whether fc1 and fc2 of an MLP can be changed: in timm's usual one."""
    return type(mlp) is Mlp


def has_bias(model: Any, block: Any, site: str) -> bool:
    """Whether a timm network adds a bias to what a site writes."""
    if site == "qkv":
        layers = qkv_layers(block.attn)
        return own_bias(block.attn) is not None or any(each.bias is not None for each in layers)
    return site == "embed" or getattr(layer_of(model, block, site), "bias", None) is not None


def layer_of(model: Any, block: Any, site: str) -> nn.Module:
    """Return the layer of a timm network whose outputs are those of a site.

    Of `qkv_layers` it is the first.
    """
    if site == "qkv":
        return qkv_layers(block.attn)[0]
    if site == "norm":
        return model.fc_norm if isinstance(model.norm, nn.Identity) else model.norm
    if site == "embed":
        return _last_layer(model.patch_embed)
    owners = {"proj": block.attn, "fc1": block.mlp, "fc2": block.mlp}
    return getattr(owners.get(site, block), site)


def _last_layer(embed: Any) -> nn.Module:
    """Return the last layer of a patch embedding; itself where that is not known."""
    if not isinstance(getattr(embed, "norm", nn.Identity()), nn.Identity):
        return embed.norm
    layers = getattr(embed, "layers", None)  # facet-tiny's
    return layers[-1] if layers is not None else getattr(embed, "proj", embed)
