"""The prompted forward of the Vision Transformer family (ViT, DeiT, CLIP, DINOv2, SigLIP as timm builds them).

Two formulations of one function (docs/architecture.md):

* tokens: prompts join the sequence and run through every layer, as Jia et al. 2022 write it. The reference.
* prefix: a deep prompt is overwritten before the next layer, so only its keys and values count; they are encoded
  once and attention reads them in front of the image's own. Exact, and as cheap as the bare backbone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from .errors import UnsupportedBackbone
from .prefix import Prefix

POOLINGS = ("token", "avg", "map")


@dataclass(frozen=True)
class Segment:
    """Consecutive rows of a batch whose sequences have one shape, so that one attention call covers them.

    Attributes:
        runs: (prefix, rows) pairs in order; each run of rows belongs to one task.
        rows: number of images.
        tokens: tokens per image, shallow prompts included.
    """

    runs: tuple[tuple[Prefix, int], ...]
    rows: int
    tokens: int

    @property
    def size(self) -> int:
        return self.rows * self.tokens

    def prepend(self, x: Tensor, layer: int, which: int) -> Tensor:
        """Put each row's prefix in front of its own keys (`which` 0) or values (1).

        `x` is (rows, heads, tokens, head dim); the result has prefix + tokens in the third place.
        """
        prefixes = [prefix.keys_values[layer][which] for prefix, _ in self.runs if prefix.keys_values]
        if not prefixes or not prefixes[0].shape[1]:
            return x
        if len(prefixes) == 1:
            return torch.cat((prefixes[0].expand(self.rows, -1, -1, -1), x), dim=2)
        length = prefixes[0].shape[1]
        joined = x.new_empty(self.rows, x.shape[1], length + self.tokens, x.shape[3])
        joined[:, :, length:] = x
        row = 0
        for prefix, (_, count) in zip(prefixes, self.runs, strict=True):
            joined[row : row + count, :, :length] = prefix
            row += count
        return joined


class VisionTransformerFamily:
    """Runs a timm `VisionTransformer` with prompts; holds no state but the frozen model.

    Raises:
        UnsupportedBackbone: a part of the model has no verified prompted form.
    """

    def __init__(self, model: VisionTransformer) -> None:
        _check(model)
        self.model = model
        self.blocks: list[Block] = list(model.blocks)
        self.layer_dims = (model.embed_dim,) * len(self.blocks)
        self.feature_dim: int = model.embed_dim
        self.pooling: str = model.global_pool
        # With class-token pooling nothing else of the last layer's output is read (DeiT also reads its second token).
        distilled = isinstance(model, VisionTransformerDistilled)
        self.pooled_tokens = (2 if distilled else 1) if self.pooling == "token" else None

    def features_tokens(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """Pooled features by the plain formulation: prompts are tokens behind the class and register tokens."""
        x = self._embed(images)
        if not prompts:
            return self._pool(self.model.blocks(x))
        x = self._insert(x, prompts[0])
        start, stop = self.model.num_prefix_tokens, self.model.num_prefix_tokens + len(prompts[0])
        for layer, block in enumerate(self.blocks):
            if layer and len(prompts) > 1:
                x = torch.cat((x[:, :start], prompts[layer].expand(len(x), -1, -1), x[:, stop:]), dim=1)
                stop = start + len(prompts[layer])
            x = block(x)
        return self._pool(torch.cat((x[:, :start], x[:, stop:]), dim=1))

    def encode(self, prompts: Sequence[Tensor]) -> Prefix:
        """Encode a task's prompts: keys and values of every layer for deep ones, the tokens for shallow ones."""
        if not prompts:
            return Prefix()
        if len(prompts) < len(self.blocks):
            return Prefix(tokens=prompts[0])
        pairs = zip(self.blocks, prompts, strict=True)
        return Prefix(keys_values=tuple(_keys_values(block, prompt) for block, prompt in pairs))

    def features_prefix(self, images: Tensor, groups: Sequence[tuple[Prefix, int]]) -> Tensor:
        """Pooled features of a mixed batch: the first `rows` images use the first prefix, and so on.

        All rows' tokens lie in one (tokens of all rows, dim) matrix, so that every linear layer is one product over
        the whole batch; only attention sees the segments.
        """
        order = sorted(range(len(groups)), key=lambda group: groups[group][0].shape_key)
        rows = _row_order(groups, order)
        x = self._embed(images if rows is None else images[rows])
        segments = list(_segments([groups[group] for group in order], x.shape[1]))
        x = self._pack(x, segments)
        for layer in range(len(self.blocks) - 1):
            x = self._block(x, layer, segments)
        x = self._last_block(x, segments)
        features = self._pool(x)
        return features if rows is None else torch.empty_like(features).index_copy(0, rows, features)

    def _embed(self, images: Tensor) -> Tensor:
        model = self.model
        return model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(images))))

    def _pool(self, x: Tensor) -> Tensor:
        return self.model.forward_head(self.model.norm(x), pre_logits=True)

    def _insert(self, x: Tensor, prompt: Tensor) -> Tensor:
        start = self.model.num_prefix_tokens
        return torch.cat((x[:, :start], prompt.expand(len(x), -1, -1), x[:, start:]), dim=1)

    def _pack(self, x: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Lay all rows' tokens out in one matrix, shallow prompts behind the class and register tokens."""
        runs = [run for segment in segments for run in segment.runs]
        if all(prefix.tokens is None for prefix, _ in runs):
            return x.flatten(0, 1)
        chunks = x.split([rows for _, rows in runs])
        parts = [
            chunk if prefix.tokens is None else self._insert(chunk, prefix.tokens)
            for chunk, (prefix, _) in zip(chunks, runs, strict=True)
        ]
        return torch.cat([part.flatten(0, 1) for part in parts])

    def _block(self, x: Tensor, layer: int, segments: Sequence[Segment]) -> Tensor:
        block = self.blocks[layer]
        q, k, v = block.attn.qkv(block.norm1(x)).unflatten(-1, (3, block.attn.num_heads, -1)).unbind(1)
        mixed = []
        for segment, *qkv in _per_segment(segments, q, k, v):
            mixed.append(_attend(block.attn, segment, layer, *qkv).flatten(0, 1))
        x = x + block.ls1(block.attn.proj(mixed[0] if len(mixed) == 1 else torch.cat(mixed)))
        return x + block.ls2(block.mlp(block.norm2(x)))

    def _last_block(self, x: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Run the last layer; returns (rows, tokens, dim) with the tokens that pooling reads.

        For class-token pooling all tokens give keys and values, but only the pooled ones ask, project and go on.
        """
        layer, block = len(self.blocks) - 1, self.blocks[-1]
        if self.pooled_tokens is None:
            return self._unpack(self._block(x, layer, segments), segments)
        weight, bias = block.attn.qkv.weight, block.attn.qkv.bias
        split = block.attn.attn_dim
        h = block.norm1(x)
        k, v = (
            F.linear(h, weight[split:], None if bias is None else bias[split:])
            .unflatten(-1, (2, block.attn.num_heads, -1))
            .unbind(1)
        )
        x, asking = self._unpack(x, segments), self._unpack(h, segments)
        q = F.linear(asking, weight[:split], None if bias is None else bias[:split])
        q = q.unflatten(-1, (block.attn.num_heads, -1))
        mixed, row = [], 0
        for segment, k_rows, v_rows in _per_segment(segments, k, v):
            q_rows = q[row : row + segment.rows].transpose(1, 2)
            mixed.append(_attend(block.attn, segment, layer, q_rows, k_rows, v_rows))
            row += segment.rows
        x = x + block.ls1(block.attn.proj(torch.cat(mixed)))
        return x + block.ls2(block.mlp(block.norm2(x)))

    def _unpack(self, x: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Take (rows, tokens, dim) out of the packed matrix: the pooled tokens, else all but the prompts."""
        start = self.model.num_prefix_tokens
        parts = []
        for segment, rows in zip(segments, x.split([segment.size for segment in segments]), strict=True):
            tokens = rows.unflatten(0, (segment.rows, segment.tokens))
            shallow = segment.runs[0][0].tokens
            if self.pooled_tokens is not None:
                tokens = tokens[:, : self.pooled_tokens]
            elif shallow is not None:
                tokens = torch.cat((tokens[:, :start], tokens[:, start + len(shallow) :]), dim=1)
            parts.append(tokens)
        return torch.cat(parts)


def _segments(groups: Sequence[tuple[Prefix, int]], image_tokens: int) -> Iterator[Segment]:
    """Join neighbouring groups of equal shape; `groups` are sorted by shape."""
    run: list[tuple[Prefix, int]] = []
    for index, group in enumerate(groups):
        run.append(group)
        if index + 1 == len(groups) or groups[index + 1][0].shape_key != group[0].shape_key:
            yield Segment(tuple(run), sum(rows for _, rows in run), image_tokens + group[0].shape_key[0])
            run = []


def _row_order(groups: Sequence[tuple[Prefix, int]], order: Sequence[int]) -> Tensor | None:
    """Return the rows of the batch in the given order of groups, None where that is as they stand."""
    if list(order) == sorted(order):
        return None
    starts = [0]
    for _, rows in groups:
        starts.append(starts[-1] + rows)
    return torch.cat([torch.arange(starts[group], starts[group + 1]) for group in order])


def _per_segment(segments: Sequence[Segment], *packed: Tensor) -> Iterator[tuple]:
    """Cut packed (tokens, heads, head dim) matrices into (rows, heads, tokens, head dim), one set per segment."""
    start = 0
    for segment in segments:
        cut = [x[start : start + segment.size] for x in packed]
        yield segment, *(x.unflatten(0, (segment.rows, segment.tokens)).transpose(1, 2) for x in cut)
        start += segment.size


def _attend(attn: Attention, segment: Segment, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of one segment over its prefix and its own tokens; returns (rows, asking tokens, heads x head dim)."""
    k = segment.prepend(attn.k_norm(k), layer, 0)
    v = segment.prepend(v, layer, 1)
    out = F.scaled_dot_product_attention(attn.q_norm(q), k, v, scale=attn.scale)
    return attn.norm(out.transpose(1, 2).flatten(2))


def _keys_values(block: Block, prompt: Tensor) -> Tensor:
    """Keys and values of one layer's prompt, (2, heads, tokens, head dim): W_kv LayerNorm1(prompt)."""
    attn = block.attn
    bias = None if attn.qkv.bias is None else attn.qkv.bias[attn.attn_dim :]
    both = F.linear(block.norm1(prompt), attn.qkv.weight[attn.attn_dim :], bias)
    k, v = both.unflatten(-1, (2, attn.num_heads, -1)).permute(1, 2, 0, 3)
    return torch.stack((attn.k_norm(k), v))


def _check(model: nn.Module) -> None:
    """Refuse what no parity test covers, by name."""
    name = type(model).__name__
    if type(model) not in (VisionTransformer, VisionTransformerDistilled):
        raise UnsupportedBackbone(f"backbone: expected a VisionTransformer, found {name}")
    if model.global_pool not in POOLINGS:
        raise UnsupportedBackbone(f"backbone pooling: expected {', '.join(POOLINGS)}, found {model.global_pool!r}")
    for block in model.blocks:
        if type(block) is not Block:
            raise UnsupportedBackbone(f"backbone block: expected Block, found {type(block).__name__}")
        if type(block.attn) is not Attention or getattr(block.attn, "gate", None) is not None:
            found = type(block.attn).__name__
            raise UnsupportedBackbone(f"backbone attention: expected ungated Attention, found {found}")
