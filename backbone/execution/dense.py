"""The linear layers of a block, around attention and in the MLP, with the changes of a batch."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from facet_vision.backbone.adaptation import UNCHANGED, LayerChanges

from .packed import PackedLinear, PackedMlp, can_pack, pack

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values, each (..., heads, head dim)."""


class Dense:
    """The linear layers of a timm block with what the rows of a batch change in them.

    They are looked up at each call and must not be cached: methods of tuning exchange layers of a
    block that is already wrapped.

    Args:
        block: has `attn.qkv`, `attn.num_heads`, `attn.proj` and `mlp`.
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        self._heads: int = block.attn.num_heads
        # timm fuses queries, keys and values, in this order.
        split = block.attn.qkv.out_features // 3
        self._query_part, self._key_value_part = slice(split), slice(split, None)

    def qkv(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Heads:
        """Return queries, keys and values of x (..., dim)."""
        y = changes.apply("qkv", x, self._block.attn.qkv(x))
        q, k, v = y.unflatten(-1, (3, self._heads, -1)).unbind(-3)
        return q, k, v

    def queries(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Tensor:
        """Return queries alone: (..., heads, head dim)."""
        y = changes.apply("qkv", x, self._of_qkv(x, self._query_part), self._query_part)
        return y.unflatten(-1, (self._heads, -1))

    def keys_values(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Tensor:
        """Return keys and values alone: (..., 2, heads, head dim)."""
        y = changes.apply("qkv", x, self._of_qkv(x, self._key_value_part), self._key_value_part)
        return y.unflatten(-1, (2, self._heads, -1))

    def proj(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Tensor:
        """Apply the projection that follows attention, (..., dim)."""
        return changes.apply("proj", x, self._proj(x))

    def mlp(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Tensor:
        """Apply the MLP, (..., dim)."""
        if changes.any_at("fc1", "fc2"):
            hidden = self._between(changes.apply("fc1", x, self._fc1(x)))
            y = changes.apply("fc2", hidden, self._fc2(hidden))
        else:
            y = self._mlp(x)
        return changes.apply("block", x, y)

    def _of_qkv(self, x: Tensor, part: slice) -> Tensor:
        """Return some of the outputs of the fused layer."""
        layer = self._block.attn.qkv
        return F.linear(x, layer.weight[part], None if layer.bias is None else layer.bias[part])

    def _proj(self, x: Tensor) -> Tensor:
        return self._block.attn.proj(x)

    def _mlp(self, x: Tensor) -> Tensor:
        return self._block.mlp(x)

    def _fc1(self, x: Tensor) -> Tensor:
        return self._block.mlp.fc1(x)

    def _between(self, x: Tensor) -> Tensor:
        """Apply what stands between the two layers of timm's usual MLP."""
        return self._block.mlp.norm(self._block.mlp.act(x))

    def _fc2(self, x: Tensor) -> Tensor:
        return self._block.mlp.fc2(x)


class PackedDense(Dense):
    """The same layers with packed weights.

    The block loses its weights to this object, so that none is in memory twice.
    """

    def __init__(self, block: Any) -> None:
        super().__init__(block)
        qkv = block.attn.qkv
        # They are packed apart, because prompts and pooled tokens need only one part.
        self._packed_queries = _part(qkv, self._query_part)
        self._packed_keys_values = _part(qkv, self._key_value_part)
        self._packed_proj = pack(block.attn.proj)
        self._packed_mlp = PackedMlp(block.mlp) if can_pack(block.mlp) else None
        # An MLP of another kind is not packed and keeps its weights.
        in_mlp = (block.mlp.fc1, block.mlp.fc2) if self._packed_mlp else ()
        for layer in (qkv, block.attn.proj, *in_mlp):
            layer.weight = None

    def qkv(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Heads:
        k, v = self.keys_values(x, changes).unbind(-3)
        return self.queries(x, changes), k, v

    def _of_qkv(self, x: Tensor, part: slice) -> Tensor:
        return (self._packed_queries if part.start is None else self._packed_keys_values)(x)

    def _proj(self, x: Tensor) -> Tensor:
        return self._packed_proj(x)

    def _mlp(self, x: Tensor) -> Tensor:
        return self._packed_mlp(x) if self._packed_mlp else super()._mlp(x)

    def _fc1(self, x: Tensor) -> Tensor:
        return self._packed_mlp.fc1(x) if self._packed_mlp else super()._fc1(x)

    def _fc2(self, x: Tensor) -> Tensor:
        return self._packed_mlp.fc2(x) if self._packed_mlp else super()._fc2(x)


def _part(layer: nn.Linear, rows: slice) -> PackedLinear:
    return PackedLinear(layer.weight[rows], None if layer.bias is None else layer.bias[rows])
