"""The linear layers of a block, around attention and in the MLP, with the changes of a batch."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from facet_vision.backbone.adaptation import UNCHANGED, LayerChanges, own_bias, qkv_layers

from .packed import PackedLinear, PackedMlp, can_pack, pack

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values, each (..., heads, head dim)."""


def dense_of(block: Any) -> "Dense":
    """Return the linear layers of a timm block, whose attention has `qkv` or three layers."""
    return Dense(block) if block.attn.qkv is not None else SeparateDense(block)


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
        # Keys and values may have fewer heads than queries.
        self._key_heads: int = getattr(block.attn, "num_kv_heads", self._heads)
        split = len(query_key_value(block.attn)[0][0])
        self._query_part, self._key_value_part = slice(split), slice(split, None)

    def qkv(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Heads:
        """Return queries, keys and values of x (..., dim)."""
        y = changes.apply("qkv", x, self._fused(x))
        q, k, v = y.unflatten(-1, (3, self._heads, -1)).unbind(-3)
        return q, k, v

    def queries(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Tensor:
        """Return queries alone: (..., heads, head dim)."""
        y = changes.apply("qkv", x, self._of_qkv(x, self._query_part), self._query_part)
        return y.unflatten(-1, (self._heads, -1))

    def keys_values(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> tuple[Tensor, Tensor]:
        """Return keys and values alone, each (..., heads, head dim)."""
        y = changes.apply("qkv", x, self._of_qkv(x, self._key_value_part), self._key_value_part)
        k, v = y.unflatten(-1, (2, self._key_heads, -1)).unbind(-3)
        return k, v

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

    def _fused(self, x: Tensor) -> Tensor:
        attn = self._block.attn
        if getattr(attn, "q_bias", None) is None:
            return attn.qkv(x)
        return F.linear(x, attn.qkv.weight, own_bias(attn))

    def _of_qkv(self, x: Tensor, part: slice) -> Tensor:
        """Return some of the outputs of queries, keys and values."""
        attn = self._block.attn
        bias = _bias(attn)
        return F.linear(x, attn.qkv.weight[part], None if bias is None else bias[part])

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


class SeparateDense(Dense):
    """The same where queries, keys and values have layers of their own."""

    def qkv(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Heads:
        k, v = self.keys_values(x, changes)
        return self.queries(x, changes), k, v

    def _of_qkv(self, x: Tensor, part: slice) -> Tensor:
        attn = self._block.attn
        if part == self._query_part:
            return attn.q_proj(x)
        return torch.cat((attn.k_proj(x), attn.v_proj(x)), dim=-1)


class PackedDense(Dense):
    """The same layers with packed weights.

    The block loses its weights to this object, so that none is in memory twice.
    """

    def __init__(self, block: Any) -> None:
        super().__init__(block)
        queries, *keys_values = query_key_value(block.attn)
        # They are packed apart, because prompts and pooled tokens need only one part.
        self._packed_queries = PackedLinear(*queries)
        self._packed_keys_values = PackedLinear(*_joined(keys_values))
        self._packed_proj = pack(block.attn.proj)
        self._packed_mlp = PackedMlp(block.mlp) if can_pack(block.mlp) else None
        # An MLP of another kind is not packed and keeps its weights.
        in_mlp = (block.mlp.fc1, block.mlp.fc2) if self._packed_mlp else ()
        for layer in (*qkv_layers(block.attn), block.attn.proj, *in_mlp):
            layer.weight = None

    def qkv(self, x: Tensor, changes: LayerChanges = UNCHANGED) -> Heads:
        k, v = self.keys_values(x, changes)
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


def query_key_value(attn: Any) -> list[tuple[Tensor, Tensor | None]]:
    """Return weight and bias of an attention's queries, keys and values, (out, in) and (out,)."""
    if attn.qkv is None:
        return [(layer.weight, layer.bias) for layer in qkv_layers(attn)]
    bias = _bias(attn)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return list(zip(attn.qkv.weight.chunk(3), biases, strict=True))


def _bias(attn: Any) -> Tensor | None:
    """Return the bias of the fused layer of an attention."""
    return attn.qkv.bias if getattr(attn, "q_bias", None) is None else own_bias(attn)


def _joined(layers: Sequence[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """Return weight and bias of layers that read the same as those of one."""
    weight = torch.cat([weight for weight, _ in layers])
    if all(bias is None for _, bias in layers):
        return weight, None
    return weight, torch.cat(
        [weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in layers]
    )
