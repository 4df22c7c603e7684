"""The prompted forward of the Vision Transformer family.

That is ViT, DeiT, CLIP, DINOv2 and SigLIP as timm builds them, in two formulations of one function
(docs/architecture.md):

* tokens: prompts join the sequence and run through every layer, as Jia et al. 2022 write it. This
  is the reference.
* prefix: a deep prompt is overwritten before the next layer, so only its keys and values count;
  they are encoded once and attention reads them in front of the image's own. Exact, and as cheap
  as the bare backbone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from facet_vision.backbone.adaptation import (
    Adaptation,
    Changes,
    Group,
    LayerChanges,
    Places,
    Widths,
    block_widths,
    encode_changes,
    join_prefix,
)
from facet_vision.backbone.execution.attend import attend
from facet_vision.backbone.execution.dense import Dense, PackedDense

from .errors import UnsupportedBackbone
from .segments import Segment, arrange, restore

POOLINGS = ("token", "avg", "map")
NO_CHANGES = Changes(())


class VisionTransformerFamily:
    """Runs a timm `VisionTransformer` with prompts; holds no state but the frozen model.

    Raises:
        UnsupportedBackbone: a part of the model has no verified prompted form.
    """

    def __init__(self, model: VisionTransformer) -> None:
        _check(model)
        self.model = model
        self.blocks: list[Block] = list(model.blocks)
        self.dense = [Dense(block) for block in self.blocks]
        self.layer_dims = (model.embed_dim,) * len(self.blocks)
        self.feature_dim: int = model.embed_dim
        self.pooling: str = model.global_pool
        # How many of the last layer's tokens are read; None for all. Class-token pooling reads the
        # first one, DeiT's distilled form its distillation token as well.
        distilled = isinstance(model, VisionTransformerDistilled)
        self.pooled_tokens = (2 if distilled else 1) if self.pooling == "token" else None

    def features_tokens(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """Return pooled features by the plain formulation.

        Prompts are tokens behind the class and register tokens.
        """
        x = self._embed(images)
        if not prompts:
            return self._pool(self.model.blocks(x))
        x = self._insert(x, prompts[0].expand(len(x), -1, -1))
        start, stop = self.model.num_prefix_tokens, self.model.num_prefix_tokens + len(prompts[0])
        for layer, block in enumerate(self.blocks):
            if layer and len(prompts) > 1:  # deep: what the last layer made of a prompt is dropped
                prompt = prompts[layer].expand(len(x), -1, -1)
                x = torch.cat((x[:, :start], prompt, x[:, stop:]), dim=1)
                stop = start + len(prompts[layer])
            x = block(x)
        return self._pool(torch.cat((x[:, :start], x[:, stop:]), dim=1))

    def widths(self, layer: int, site: str) -> Widths | None:
        """Return what a site reads and writes; see `adaptation.parts.Sites`."""
        last = len(self.blocks) - 1
        if not 0 <= layer <= last:
            return None
        dim = self.layer_dims[layer]
        if (site == "embed" and layer == 0) or (site == "norm" and layer == last):
            return dim, dim
        return block_widths(self.blocks[layer], dim, site)

    def encode(self, prompts: Sequence[Tensor], places: Places) -> Adaptation:
        """Encode a task: deep prompts become keys and values, shallow ones stay tokens."""
        adaptation = Adaptation(changes=encode_changes(places))
        if len(prompts) == len(self.blocks):
            changes = Changes([(adaptation, 1)])
            pairs = [self._encode_layer(layer, each, changes) for layer, each in enumerate(prompts)]
            adaptation = replace(adaptation, keys_values=tuple(pairs))
        elif prompts:
            adaptation = replace(adaptation, tokens=prompts[0])
        return join_prefix(adaptation, places, [block.attn.num_heads for block in self.blocks])

    def pack(self) -> None:
        """Pack the blocks' linear layers; see `Backbone.pack`."""
        self.dense = [PackedDense(block) for block in self.blocks]

    def features_prefix(self, images: Tensor, groups: Sequence[Group]) -> Tensor:
        """Return pooled features of a mixed batch; see `Backbone.features_mixed`.

        All rows' tokens lie in one (tokens of all rows, dim) matrix, so that every linear layer is
        one product over the whole batch; only attention sees the segments.
        """
        segments, order = arrange(groups)
        runs = [run for segment in segments for run in segment.runs]
        x = self._embed(images if order is None else images[order], Changes(runs))
        image_tokens = x.shape[1]
        changes = Changes(runs, image_tokens)
        x = self._pack(x, segments)
        for layer in range(len(self.blocks) - 1):
            x = self._block(x, layer, segments, changes, image_tokens)
        x = self._last_block(x, segments, changes, image_tokens)
        return restore(self._pool(x, changes), order)

    def class_token_scores(self, images: Tensor, adaptation: Adaptation, layer: int) -> Tensor:
        """Return what the class token's query in a layer is scaled to with all keys of its row.

        Returns:
            (rows, heads, tokens) before the softmax: keys of the prefix, of class and register
            tokens, of prompts that are tokens, of patches.
        """
        segments, _ = arrange([(adaptation, len(images))])
        runs = segments[0].runs
        x = self._embed(images, Changes(runs))
        image_tokens = x.shape[1]
        changes = Changes(runs, image_tokens)
        x = self._pack(x, segments)
        for before in range(layer):
            x = self._block(x, before, segments, changes, image_tokens)
        block, here = self.blocks[layer], changes.layer(layer)
        q, k, v = self.dense[layer].qkv(here.after("norm1", block.norm1(x)), here)
        ((segment, (q, k, v)),) = _per_segment(segments, image_tokens, q, k, v)
        keys, _ = segment.extend(block.attn.k_norm(k), v, layer)
        query = block.attn.q_norm(q[:, :, :1]) * block.attn.scale
        return (query @ keys.mT).squeeze(2)

    def _encode_layer(self, layer: int, prompt: Tensor, changes: Changes) -> Tensor:
        """Return W_kv LayerNorm1(prompt) of one layer, (2, heads, tokens, head dim)."""
        block, here = self.blocks[layer], changes.layer(layer)
        h = here.after("norm1", block.norm1(prompt.unsqueeze(0)))
        k, v = self.dense[layer].keys_values(h, here).squeeze(0).permute(1, 2, 0, 3)
        return torch.stack((block.attn.k_norm(k), v))

    def _embed(self, images: Tensor, changes: Changes = NO_CHANGES) -> Tensor:
        model = self.model
        patches = changes.layer(0).after("embed", model.patch_embed(images))
        return model.norm_pre(model.patch_drop(model._pos_embed(patches)))

    def _pool(self, x: Tensor, changes: Changes = NO_CHANGES) -> Tensor:
        """Return the pooled features of the last layer's tokens.

        The site "norm" is the last norm in front of the head, which timm has before or behind the
        pooling.
        """
        model, here = self.model, changes.layer(len(self.blocks) - 1)
        x = model.norm(x)
        if isinstance(model.norm, nn.Identity):
            return here.after("norm", model.forward_head(x, pre_logits=True).unsqueeze(1)).squeeze(
                1
            )
        return model.forward_head(here.after("norm", x), pre_logits=True)

    def _insert(self, x: Tensor, prompts: Tensor) -> Tensor:
        start = self.model.num_prefix_tokens
        return torch.cat((x[:, :start], prompts, x[:, start:]), dim=1)

    def _pack(self, x: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Lay all rows' tokens out in one matrix.

        Shallow prompts stand behind the class and register tokens of their rows.
        """
        prompts = [segment.tokens() for segment in segments]
        if all(prompt is None for prompt in prompts):
            return x.flatten(0, 1)
        chunks = x.split([segment.rows for segment in segments])
        parts = []
        for rows, prompt in zip(chunks, prompts, strict=True):
            with_prompts = rows if prompt is None else self._insert(rows, prompt)
            parts.append(with_prompts.flatten(0, 1))
        return torch.cat(parts)

    def _block(
        self,
        x: Tensor,
        layer: int,
        segments: Sequence[Segment],
        changes: Changes,
        image_tokens: int,
    ) -> Tensor:
        """Run a layer on the packed matrix."""
        block, dense, here = self.blocks[layer], self.dense[layer], changes.layer(layer)
        q, k, v = dense.qkv(here.after("norm1", block.norm1(x)), here)
        mixed = [
            _attend(block.attn, segment, layer, *qkv).flatten(0, 1)
            for segment, qkv in _per_segment(segments, image_tokens, q, k, v)
        ]
        projected = dense.proj(mixed[0] if len(mixed) == 1 else torch.cat(mixed), here)
        return self._finish(layer, x, projected, here)

    def _last_block(
        self, x: Tensor, segments: Sequence[Segment], changes: Changes, image_tokens: int
    ) -> Tensor:
        """Run the last layer and return the tokens that pooling reads, (rows, tokens, dim).

        With class-token pooling all tokens give keys and values, but queries, projection and MLP
        are computed for the pooled tokens alone.
        """
        layer, block, dense = len(self.blocks) - 1, self.blocks[-1], self.dense[-1]
        if self.pooled_tokens is None:
            x = self._block(x, layer, segments, changes, image_tokens)
            return self._unpack(x, segments, image_tokens)
        attn, here = block.attn, changes.layer(layer)
        h = here.after("norm1", block.norm1(x))
        k, v = dense.keys_values(h, here).unbind(1)
        x = self._unpack(x, segments, image_tokens)
        pooled = self._unpack(h, segments, image_tokens)
        q = dense.queries(pooled, here).transpose(1, 2)
        q_parts = q.split([segment.rows for segment in segments])
        keys_values = _per_segment(segments, image_tokens, k, v)
        mixed = [
            _attend(attn, segment, layer, q_rows, k_rows, v_rows)
            for q_rows, (segment, (k_rows, v_rows)) in zip(q_parts, keys_values, strict=True)
        ]
        return self._finish(layer, x, dense.proj(torch.cat(mixed), here), here)

    def _finish(self, layer: int, x: Tensor, projected: Tensor, changes: LayerChanges) -> Tensor:
        """Run what follows attention in a layer, on any layout: residuals and MLP."""
        block = self.blocks[layer]
        x = x + block.drop_path1(block.ls1(projected))
        h = changes.after("norm2", block.norm2(x))
        return x + block.drop_path2(block.ls2(self.dense[layer].mlp(h, changes)))

    def _unpack(self, x: Tensor, segments: Sequence[Segment], image_tokens: int) -> Tensor:
        """Take the tokens that pooling reads out of the packed matrix, (rows, tokens, dim).

        They are the pooled tokens, else all but the prompts.
        """
        start = self.model.num_prefix_tokens
        parts = []
        for segment, (tokens,) in _per_segment(segments, image_tokens, x):
            if self.pooled_tokens is not None:
                tokens = tokens[:, : self.pooled_tokens]
            elif segment.prompt_tokens:
                stop = start + segment.prompt_tokens
                tokens = torch.cat((tokens[:, :start], tokens[:, stop:]), dim=1)
            parts.append(tokens)
        return torch.cat(parts)


def _per_segment(
    segments: Sequence[Segment], image_tokens: int, *packed: Tensor
) -> Iterator[tuple[Segment, list[Tensor]]]:
    """Cut packed matrices into rows, one set per segment; the parts are views.

    (tokens, dim) gives (rows, tokens, dim), and (tokens, heads, head dim) gives (rows, heads,
    tokens, head dim).
    """
    start = 0
    for segment in segments:
        shape = (segment.rows, image_tokens + segment.prompt_tokens)
        stop = start + shape[0] * shape[1]
        cut = [x[start:stop].unflatten(0, shape) for x in packed]
        yield segment, [x.transpose(1, 2) if x.ndim == 4 else x for x in cut]
        start = stop


def _attend(
    attn: Attention, segment: Segment, layer: int, q: Tensor, k: Tensor, v: Tensor
) -> Tensor:
    """Attend from one segment to its prefix and its own tokens; see `attend`."""
    return attn.norm(attend(segment, layer, attn.q_norm(q), attn.k_norm(k), v, attn.scale))


def _check(model: Any) -> None:
    """Raise UnsupportedBackbone for what no parity test covers."""
    if type(model) not in (VisionTransformer, VisionTransformerDistilled):
        raise UnsupportedBackbone(
            f"backbone: expected a VisionTransformer, found {type(model).__name__}"
        )
    if model.global_pool not in POOLINGS:
        raise UnsupportedBackbone(
            f"backbone pooling: expected {', '.join(POOLINGS)}, found {model.global_pool!r}"
        )
    for block in model.blocks:
        if type(block) is not Block:
            raise UnsupportedBackbone(
                f"backbone block: expected Block, found {type(block).__name__}"
            )
        if type(block.attn) is not Attention or getattr(block.attn, "gate", None) is not None:
            found = type(block.attn).__name__
            raise UnsupportedBackbone(
                f"backbone attention: expected ungated Attention, found {found}"
            )
