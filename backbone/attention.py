"""What the class token of a Vision Transformer looks at."""

from collections.abc import Sequence

from torch import Tensor, nn

from .backbone import Backbone
from .errors import UnsupportedBackbone
from .projection import keys_values, queries
from .vit import VisionTransformerFamily


def class_token_attention(
    backbone: Backbone, images: Tensor, prompts: Sequence[Tensor] = (), *, layer: int = -1
) -> Tensor:
    """Attention weights of the class token in one layer: softmax(q k^T x scale) of its query and all tokens' keys.

    Args:
        images: (batch, 3, height, width), preprocessed.
        prompts: as for `Backbone.features`.
        layer: from 0; negative ones count from the last.

    Returns:
        (batch, heads, tokens), rows that sum to 1; the tokens are class and register tokens, prompts, patches.

    Raises:
        UnsupportedBackbone: the backbone has no class token.
    """
    family = backbone._family
    if not isinstance(family, VisionTransformerFamily) or family.model.cls_token is None:
        raise UnsupportedBackbone(
            f"backbone: expected a ViT with a class token, found {backbone.name!r}"
        )
    block = family.blocks[layer]
    x = _entering(block, backbone, images, prompts)
    attn, h = block.attn, block.norm1(x)
    q = attn.q_norm(queries(attn.qkv, attn.num_heads, h[:, :1]).transpose(1, 2))
    k = attn.k_norm(keys_values(attn.qkv, attn.num_heads, h)[:, :, 0].transpose(1, 2))
    scores: Tensor = (q * attn.scale) @ k.mT
    return scores.softmax(dim=-1).squeeze(2)


def _entering(
    block: nn.Module, backbone: Backbone, images: Tensor, prompts: Sequence[Tensor]
) -> Tensor:
    """All tokens in front of a layer, (batch, tokens, dim), in the very forward that computes features."""
    found: list[Tensor] = []
    hook = block.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        backbone.features(images, prompts, form="tokens")
    finally:
        hook.remove()
    return found[0]
