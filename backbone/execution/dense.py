"""What a block computes for each token by itself: the linear layers around attention, and the MLP."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from facet_vision.backbone import projection

from .packed import PackedLinear, pack, pack_mlp

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values, each (..., heads, head dim)."""


class Dense:
    """The layers of a timm block as they are at each call: methods of tuning exchange them.

    Args:
        block: has `attn.qkv`, `attn.num_heads`, `attn.proj` and `mlp`.
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        self._heads: int = block.attn.num_heads

    def qkv(self, x: Tensor) -> Heads:
        """Queries, keys and values of x (..., dim)."""
        q, k, v = self._block.attn.qkv(x).unflatten(-1, (3, self._heads, -1)).unbind(-3)
        return q, k, v

    def queries(self, x: Tensor) -> Tensor:
        """Queries alone: (..., heads, head dim)."""
        return projection.queries(self._block.attn.qkv, self._heads, x)

    def keys_values(self, x: Tensor) -> Tensor:
        """Keys and values alone: (..., 2, heads, head dim)."""
        return projection.keys_values(self._block.attn.qkv, self._heads, x)

    def proj(self, x: Tensor) -> Tensor:
        """What follows attention, (..., dim)."""
        return self._block.attn.proj(x)

    def mlp(self, x: Tensor) -> Tensor:
        """The MLP, (..., dim)."""
        return self._block.mlp(x)


class PackedDense(Dense):
    """The same, packed; the block loses the weights that are held here instead, so that none is in memory twice."""

    def __init__(self, block: Any) -> None:
        super().__init__(block)
        qkv, split = block.attn.qkv, block.attn.qkv.out_features // 3
        self._queries, self._keys_values = _part(qkv, slice(split)), _part(qkv, slice(split, None))
        self._proj: Callable[[Tensor], Tensor] = pack(block.attn.proj)
        self._mlp = pack_mlp(block.mlp)
        # An MLP of another kind was left as it is.
        in_mlp = () if self._mlp is block.mlp else (block.mlp.fc1, block.mlp.fc2)
        for layer in (qkv, block.attn.proj, *in_mlp):
            layer.weight = None

    def qkv(self, x: Tensor) -> Heads:
        k, v = self.keys_values(x).unbind(-3)
        return self.queries(x), k, v

    def queries(self, x: Tensor) -> Tensor:
        return self._queries(x).unflatten(-1, (self._heads, -1))

    def keys_values(self, x: Tensor) -> Tensor:
        return self._keys_values(x).unflatten(-1, (2, self._heads, -1))

    def proj(self, x: Tensor) -> Tensor:
        return self._proj(x)

    def mlp(self, x: Tensor) -> Tensor:
        return self._mlp(x)


def _part(layer: nn.Linear, rows: slice) -> PackedLinear:
    return PackedLinear(layer.weight[rows], None if layer.bias is None else layer.bias[rows])
