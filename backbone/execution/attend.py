"""Attention of a segment's rows over their prefix and their own tokens."""

import torch
import torch.nn.functional as F
from torch import Tensor

from facet_vision.backbone.segments import Segment

SCORE_BYTES = 4 * 1024**2
"""Attention scores that are computed at once.

They should stay in a cache together with the keys and values that they are made of.
"""


def attend(segment: Segment, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Return softmax(q [K, k]^T x scale) [V, v] with the prefix (K, V) of each row; differentiable.

    Args:
        q: (rows, heads, queries, head dim).
        k, v: (rows, heads, tokens, head dim), the rows' own.

    Returns:
        (rows, queries, heads x head dim).
    """
    learning = torch.is_grad_enabled() and (q.requires_grad or segment.requires_grad)
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and not learning:
        return _in_parts(segment, layer, q, k, v, scale)
    k, v = segment.extend(k, v, layer)
    if q.requires_grad and segment.prefix_tokens(layer):
        # q is a view of the fused product. Autograd would hold that product until backward, with
        # the image's own keys and values, which `extend` has copied already.
        q = q.contiguous()
    return F.scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2).flatten(2)


def _in_parts(
    segment: Segment, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float
) -> Tensor:
    """Compute the formula as it is written, a few rows at a time.

    It takes 0.6 of the time of torch's fused attention in bfloat16 on a CPU: that one converts to
    float32 and back, two products by oneDNN do not.
    """
    rows, heads, queries, width = q.shape
    mixed = q.new_empty(rows, queries, heads, width)
    keys_of_row = k.shape[2] + segment.prefix_tokens(layer)
    bytes_of_row = heads * queries * keys_of_row * q.itemsize
    for part, cut in segment.cut(max(1, SCORE_BYTES // bytes_of_row)):
        keys, values = part.extend(k[cut], v[cut], layer)
        # One expression: a name would hold the scores in memory beside their softmax.
        mixed[cut] = (((q[cut] * scale) @ keys.mT).softmax(dim=-1) @ values).transpose(1, 2)
    return mixed.flatten(2)
