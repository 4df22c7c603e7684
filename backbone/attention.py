"""Attention maps of a Vision Transformer's class token."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .adaptation import NO_PARTS, Parts
from .backbone import Backbone
from .errors import UnsupportedBackbone
from .families import SequenceFamily


def class_token_attention(
    backbone: Backbone,
    images: Tensor,
    prompts: Sequence[Tensor] = (),
    parts: Parts = NO_PARTS,
    *,
    layer: int = -1,
) -> Tensor:
    """Return the attention weights of the class token in one layer.

    They are softmax(q k^T x scale), with the class token's query and the keys of all tokens.

    Args:
        images: (batch, 3, height, width), preprocessed.
        prompts, parts: as for `Backbone.features`.
        layer: from 0; negative ones count from the last.

    Returns:
        (batch, heads, tokens), rows that sum to 1. The order of tokens is class and register
        tokens, prompts and learned keys, patches.

    Raises:
        UnsupportedBackbone: the backbone has no class token.
    """
    family = backbone._family
    if not isinstance(family, SequenceFamily) or not family.has_class_token:
        raise UnsupportedBackbone(
            f"backbone: expected a ViT with a class token, found {backbone.name!r}"
        )
    layer %= len(family.blocks)
    adaptation = backbone.encode(prompts, parts)
    images = images.to(backbone.device, backbone.dtype)
    weights = family.class_token_scores(images, adaptation, layer).softmax(dim=-1)
    in_front = adaptation.prefix_tokens(layer)
    own = family.own_tokens
    prefix, first, rest = weights.split([in_front, own, weights.shape[-1] - in_front - own], dim=-1)
    return torch.cat((first, prefix, rest), dim=-1)
