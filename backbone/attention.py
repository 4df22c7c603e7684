"""Attention maps of a Vision Transformer's class token."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .adaptation import NO_PARTS, Adaptation, Parts
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
    family = check_class_token(backbone)
    return _weights(family, backbone, images, backbone.encode(prompts, parts), layer)


def patch_attention(
    backbone: Backbone, images: Tensor, adaptation: Adaptation, *, layer: int = -1
) -> Tensor:
    """Return how the class token's attention to the patches of an image is spread over them.

    It is the mean over the heads. What goes to other tokens than patches is left out.

    Args:
        images: (batch, 3, height, width), preprocessed.
        adaptation: of the task, encoded; an empty one for the bare backbone.
        layer: from 0; negative ones count from the last.

    Returns:
        (batch, rows, columns) of float32, each of which sums to 1.

    Raises:
        UnsupportedBackbone: the backbone has no class token.
    """
    family = check_class_token(backbone)
    weights = _weights(family, backbone, images, adaptation, layer).float().mean(dim=1)
    rows, columns = family.model.patch_embed.grid_size
    patches = weights[:, -rows * columns :]
    return (patches / patches.sum(dim=1, keepdim=True)).unflatten(1, (rows, columns))


def check_class_token(backbone: Backbone) -> SequenceFamily:
    """Return the backbone's family if it has a class token.

    Raises:
        UnsupportedBackbone: it has none.
    """
    family = backbone._family
    if not isinstance(family, SequenceFamily) or not family.has_class_token:
        raise UnsupportedBackbone(
            f"backbone: expected a ViT with a class token, found {backbone.name!r}"
        )
    return family


def _weights(
    family: SequenceFamily,
    backbone: Backbone,
    images: Tensor,
    adaptation: Adaptation,
    layer: int,
) -> Tensor:
    layer %= len(family.blocks)
    images = images.to(backbone.device, backbone.dtype)
    weights = family.class_token_scores(images, adaptation, layer).softmax(dim=-1)
    in_front = adaptation.prefix_tokens(layer)
    own = family.own_tokens
    prefix, first, rest = weights.split([in_front, own, weights.shape[-1] - in_front - own], dim=-1)
    return torch.cat((first, prefix, rest), dim=-1)
