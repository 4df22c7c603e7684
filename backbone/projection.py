"""Parts of a fused query-key-value layer: prompts need keys and values alone, a pooled token may need queries alone."""

import torch.nn.functional as F
from torch import Tensor, nn


def queries(qkv: nn.Linear, heads: int, x: Tensor) -> Tensor:
    """Queries of x (..., dim) by the first third of timm's fused layer: (..., heads, head dim)."""
    split = qkv.out_features // 3
    return F.linear(
        x, qkv.weight[:split], None if qkv.bias is None else qkv.bias[:split]
    ).unflatten(-1, (heads, -1))


def keys_values(qkv: nn.Linear, heads: int, x: Tensor) -> Tensor:
    """Keys and values of x (..., dim) by the other two thirds: (..., 2, heads, head dim)."""
    split = qkv.out_features // 3
    both = F.linear(x, qkv.weight[split:], None if qkv.bias is None else qkv.bias[split:])
    return both.unflatten(-1, (2, heads, -1))
