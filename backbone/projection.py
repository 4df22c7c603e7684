"""Parts of a fused query-key-value layer.

Prompts need only keys and values; a pooled token in the last layer needs only queries.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def queries(qkv: nn.Linear, heads: int, x: Tensor) -> Tensor:
    """Return queries of x (..., dim) by the first third of timm's layer: (..., heads, head dim)."""
    split = qkv.out_features // 3
    found = F.linear(x, qkv.weight[:split], None if qkv.bias is None else qkv.bias[:split])
    return found.unflatten(-1, (heads, -1))


def keys_values(qkv: nn.Linear, heads: int, x: Tensor) -> Tensor:
    """Return keys and values of x by the other two thirds: (..., 2, heads, head dim)."""
    split = qkv.out_features // 3
    both = F.linear(x, qkv.weight[split:], None if qkv.bias is None else qkv.bias[split:])
    return both.unflatten(-1, (2, heads, -1))
