"""The linear layers of a block: those around attention, and the MLP."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from facet_vision.backbone import projection

from .packed import PackedLinear, pack, pack_mlp

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values, each (..., heads, head dim)."""


class Dense:
    """The linear layers of a timm block, looked up at each call.

    They must not be cached: methods of tuning exchange layers of a block that is already wrapped.

    Args:
        block: has `attn.qkv`, `attn.num_heads`, `attn.proj` and `mlp`.
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        self._heads: int = block.attn.num_heads

    def qkv(self, x: Tensor) -> Heads:
        """Return queries, keys and values of x (..., dim)."""
        q, k, v = self._block.attn.qkv(x).unflatten(-1, (3, self._heads, -1)).unbind(-3)
        return q, k, v

    def queries(self, x: Tensor) -> Tensor:
        """Return queries alone: (..., heads, head dim)."""
        return projection.queries(self._block.attn.qkv, self._heads, x)

    def keys_values(self, x: Tensor) -> Tensor:
        """Return keys and values alone: (..., 2, heads, head dim)."""
        return projection.keys_values(self._block.attn.qkv, self._heads, x)

    def proj(self, x: Tensor) -> Tensor:
        """Apply the projection that follows attention, (..., dim)."""
        return self._block.attn.proj(x)

    def mlp(self, x: Tensor) -> Tensor:
        """Apply the MLP, (..., dim)."""
        return self._block.mlp(x)


class PackedDense(Dense):
    """The same layers with packed weights.

    The block loses its weights to this object, so that none is in memory twice.
    """

    def __init__(self, block: Any) -> None:
        super().__init__(block)
        qkv = block.attn.qkv
        # timm fuses queries, keys and values; they are packed apart, because prompts and pooled
        # tokens need only one part.
        split = qkv.out_features // 3
        self._queries = _part(qkv, slice(split))
        self._keys_values = _part(qkv, slice(split, None))
        self._proj: Callable[[Tensor], Tensor] = pack(block.attn.proj)
        self._mlp = pack_mlp(block.mlp)
        # An MLP of another kind is not packed and keeps its weights.
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
