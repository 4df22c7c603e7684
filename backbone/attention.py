"""Attention maps of a Vision Transformer's class token."""

from collections.abc import Sequence

from torch import Tensor, nn

from .backbone import Backbone
from .errors import UnsupportedBackbone
from .vit import VisionTransformerFamily


def class_token_attention(
    backbone: Backbone, images: Tensor, prompts: Sequence[Tensor] = (), *, layer: int = -1
) -> Tensor:
    """Return the attention weights of the class token in one layer.

    They are softmax(q k^T x scale), with the class token's query and the keys of all tokens.

    Args:
        images: (batch, 3, height, width), preprocessed.
        prompts: as for `Backbone.features`.
        layer: from 0; negative ones count from the last.

    Returns:
        (batch, heads, tokens), rows that sum to 1. The order of tokens is class and register
        tokens, prompts, patches.

    Raises:
        UnsupportedBackbone: the backbone has no class token.
    """
    family = backbone._family
    if not isinstance(family, VisionTransformerFamily) or family.model.cls_token is None:
        raise UnsupportedBackbone(
            f"backbone: expected a ViT with a class token, found {backbone.name!r}"
        )
    block = family.blocks[layer]
    h = block.norm1(_block_input(block, backbone, images, prompts))
    attn, dense = block.attn, family.dense[layer]
    q = attn.q_norm(dense.queries(h[:, :1]).transpose(1, 2))
    k = attn.k_norm(dense.keys_values(h)[:, :, 0].transpose(1, 2))
    scores: Tensor = (q * attn.scale) @ k.mT
    return scores.softmax(dim=-1).squeeze(2)


def _block_input(
    block: nn.Module, backbone: Backbone, images: Tensor, prompts: Sequence[Tensor]
) -> Tensor:
    """Return the input of a block, (batch, tokens, dim).

    A hook takes it from the forward that computes features, so that no second forward can differ.
    """
    inputs: list[Tensor] = []
    hook = block.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    try:
        backbone.features(images, prompts, form="tokens")
    finally:
        hook.remove()
    return inputs[0]
