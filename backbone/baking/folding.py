"""Changes of linear layers, norms and the patch embedding, folded into their weights.

A low-rank pair, a bias, a scale and a shift of a site's outputs are one affine map of them, and the
layer whose outputs they are is affine itself: scale * (W x + b + B A x + bias) + shift has the
weight scale * (W + B A) and the bias scale * (b + bias) + shift. Merging is from LoRA (Hu et al.
2022, section 4.1) and SSF (Lian et al. 2022, section 3.3).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from facet_vision.backbone.adaptation import (
    Parts,
    by_place,
    layer_of,
    own_bias,
    qkv_layers,
)
from facet_vision.backbone.backbone import Backbone

AFFINE = (nn.Linear, nn.Conv2d, nn.LayerNorm)
"""Layers whose outputs are an affine map of what they normalise or multiply, by channel."""

FOLDED = frozenset({"lora", "bias", "ssf"})


@torch.no_grad()
def fold(backbone: Backbone, parts: Parts) -> dict[str, Tensor]:
    """Change a backbone's weights as parts of a task do.

    The sums are made in float64 and rounded once.

    Args:
        backbone: is changed, so it should be a copy; what it states of itself then no longer holds.
        parts: by name, as for `Backbone.encode`.

    Returns:
        The parts that are no change of weights: bottlenecks, learned keys and values, and whatever
        follows a layer of an unknown kind.

    Raises:
        BackboneError: a part does not fit a site.
    """
    left = dict(parts)
    for (layer, site), kinds in by_place(parts, backbone._family).items():
        if not kinds.keys() <= FOLDED:
            continue
        block = backbone._family.blocks[layer]
        targets = (
            _qkv_layers(block.attn) if site == "qkv" else (layer_of(backbone.model, block, site),)
        )
        if all(_is_affine(target) for target in targets):
            start = 0
            for target in targets:
                stop = start + len(target.weight)
                _change(target, kinds, slice(start, stop))
                start = stop
            for kind, tensors in kinds.items():
                for part in tensors:
                    del left[f"{kind}.{layer}.{site}.{part}"]
    return left


def _is_affine(layer: nn.Module) -> bool:
    return isinstance(layer, AFFINE) and layer.weight is not None


def _qkv_layers(attn: Any) -> tuple[Any, ...]:
    """Return the layers of queries, keys and values, with all biases that there are in them."""
    if (bias := own_bias(attn)) is not None:
        attn.qkv.bias = nn.Parameter(bias, requires_grad=False)
        attn.q_bias = attn.k_bias = attn.v_bias = None
    return qkv_layers(attn)


def _change(layer: Any, kinds: Mapping[str, Parts], part: slice) -> None:
    """Change weight and bias in the order in which the kinds act.

    Args:
        part: which outputs of the site are the layer's.
    """
    here: Any = {"device": layer.weight.device, "dtype": torch.float64}
    weight, bias = layer.weight.to(**here), layer.bias
    bias = weight.new_zeros(len(weight)) if bias is None else bias.to(**here)
    if pair := kinds.get("lora"):
        weight = weight + pair["b"][part].to(**here) @ pair["a"].to(**here)
    if own := kinds.get("bias"):
        bias = bias + own["bias"][part].to(**here)
    if ssf := kinds.get("ssf"):
        scale = ssf["scale"][part].to(**here)
        weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
        bias = scale * bias + ssf["shift"][part].to(**here)
    dtype = layer.weight.dtype
    layer.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    layer.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
