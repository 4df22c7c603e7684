"""The prompted forward of networks whose layers see one sequence of tokens.

There are two formulations of one function (docs/architecture.md):

* tokens: prompts join the sequence and run through every layer, as Jia et al. 2022 write it. This
  is the reference.
* prefix: a deep prompt is overwritten before the next layer, so only its keys and values count;
  they are encoded once and attention reads them in front of the image's own. Exact, and as cheap
  as the bare backbone.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from timm.layers import apply_rot_embed_cat
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
from facet_vision.backbone.execution.dense import PackedDense, dense_of
from facet_vision.backbone.segments import Segment, arrange, restore

POOLINGS = ("token", "avg", "map")
NO_CHANGES = Changes(())


@dataclass(frozen=True)
class Batch:
    """What the layers know of a mixed batch.

    Attributes:
        changes: of its rows.
        image_tokens: of each row, without prompts.
        rotation: what `SequenceFamily._embed` returned with the tokens.
    """

    segments: Sequence[Segment]
    changes: Changes
    image_tokens: int
    rotation: Tensor | None

    def per_segment(self, *packed: Tensor) -> Iterator[tuple[Segment, list[Tensor]]]:
        """Cut packed matrices into rows, one set per segment; the parts are views.

        (tokens, dim) gives (rows, tokens, dim), and (tokens, heads, head dim) gives (rows, heads,
        tokens, head dim).
        """
        start = 0
        for segment in self.segments:
            shape = (segment.rows, self.image_tokens + segment.prompt_tokens)
            stop = start + shape[0] * shape[1]
            cut = [x[start:stop].unflatten(0, shape) for x in packed]
            yield segment, [x.transpose(1, 2) if x.ndim == 4 else x for x in cut]
            start = stop


class SequenceFamily(ABC):
    """Runs a timm network of one sequence with prompts; holds no state but the frozen model.

    Prompts stand behind the class and register tokens, without a position.

    Attributes:
        own_tokens: number of class and register tokens.
        pooled_tokens: how many of the last layer's tokens are read, from the first on; None for
            all.
    """

    def __init__(self, model: Any, pooled_tokens: int | None) -> None:
        self.model = model
        self.blocks: list[Any] = list(model.blocks)
        self.dense = [dense_of(block) for block in self.blocks]
        self.layer_dims = (model.embed_dim,) * len(self.blocks)
        self.feature_dim: int = model.embed_dim
        self.pooling: str = model.global_pool
        self.own_tokens: int = model.num_prefix_tokens
        self.pooled_tokens = pooled_tokens

    @property
    def has_class_token(self) -> bool:
        """Whether the first token is one for the whole image."""
        return getattr(self.model, "cls_token", None) is not None

    def features_tokens(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """Return pooled features by the plain formulation.

        Prompts are tokens behind the class and register tokens.
        """
        x, rotation = self._embed(images, NO_CHANGES)
        start = stop = self.own_tokens
        for layer in range(len(self.blocks)):
            if layer < len(prompts):  # deep: what the last layer made of a prompt is dropped
                prompt = prompts[layer].expand(len(x), -1, -1)
                x = torch.cat((x[:, :start], prompt, x[:, stop:]), dim=1)
                stop = start + len(prompts[layer])
            x = self._timm_block(x, layer, rotation, stop - start)
        return self._pool(torch.cat((x[:, :start], x[:, stop:]), dim=1), NO_CHANGES)

    def widths(self, layer: int, site: str) -> Widths | None:
        """Return what a site reads and writes; see `adaptation.parts.Sites`."""
        last = len(self.blocks) - 1
        if not 0 <= layer <= last:
            return None
        dim = self.layer_dims[layer]
        if site == "norm":
            return (dim, dim) if layer == last and self._has_last_norm else None
        if site == "embed" and layer == 0:
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
        x, batch = self._packed(images if order is None else images[order], segments)
        for layer in range(len(self.blocks) - 1):
            x = self._block(x, layer, batch)
        return restore(self._pool(self._last_block(x, batch), batch.changes), order)

    def class_token_scores(self, images: Tensor, adaptation: Adaptation, layer: int) -> Tensor:
        """Return what the class token's query in a layer is scaled to with all keys of its row.

        Returns:
            (rows, heads, tokens) before the softmax: keys of the prefix, of class and register
            tokens, of prompts that are tokens, of patches.
        """
        x, batch = self._packed(images, arrange([(adaptation, len(images))])[0])
        for before in range(layer):
            x = self._block(x, before, batch)
        block, here = self.blocks[layer], batch.changes.layer(layer)
        q, k, v = self.dense[layer].qkv(self._entering(layer, x, here), here)
        ((segment, (q, k, v)),) = batch.per_segment(q, k, v)
        k, v = self._keys_values(layer, k, v, segment.prompt_tokens, batch.rotation)
        keys, _ = segment.extend(k, v, layer)
        query = block.attn.q_norm(q[:, :, :1]) * block.attn.scale
        return (query @ keys.mT).squeeze(2)

    @abstractmethod
    def _embed(self, images: Tensor, changes: Changes) -> tuple[Tensor, Tensor | None]:
        """Return the tokens that enter the first layer, and what rotates queries and keys.

        (rows, tokens, dim) with class and register tokens first, and a table or None.
        """

    def _entering(self, layer: int, x: Tensor, changes: LayerChanges) -> Tensor:
        """Return what a layer's attention reads of its tokens."""
        return changes.after("norm1", self.blocks[layer].norm1(x))

    @abstractmethod
    def _finish(self, layer: int, x: Tensor, projected: Tensor, changes: LayerChanges) -> Tensor:
        """Run what follows attention in a layer, on any layout: residuals and MLP."""

    def _timm_block(self, x: Tensor, layer: int, rotation: Tensor | None, prompts: int) -> Tensor:
        """Run timm's own block on tokens of which `prompts` stand behind the model's own."""
        if rotation is None:
            return self.blocks[layer](x)
        table = _table(rotation, layer)
        if prompts:
            # timm rotates all tokens behind the model's own; by sine 0 and cosine 1 is not at all.
            sine = table.new_zeros(*table.shape[:-2], prompts, table.shape[-1] // 2)
            table = torch.cat((torch.cat((sine, sine + 1), dim=-1), table), dim=-2)
        return self.blocks[layer](x, rope=table)

    def _queries(self, layer: int, q: Tensor, prompts: int, rotation: Tensor | None) -> Tensor:
        """Return the queries that attention takes of projected ones.

        Args:
            q: of whole rows, (rows, heads, tokens, head dim).
            prompts: how many tokens of each row are a task's.
        """
        q = self.blocks[layer].attn.q_norm(q)
        return q if rotation is None else self._rotated(layer, q, prompts, rotation)

    def _keys_values(
        self, layer: int, k: Tensor, v: Tensor, prompts: int, rotation: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the keys and values likewise."""
        attn = self.blocks[layer].attn
        k = attn.k_norm(k)
        if rotation is not None:
            k = self._rotated(layer, k, prompts, rotation)
        if (shared := attn.num_heads // k.shape[1]) > 1:  # grouped queries share keys and values
            k, v = (part.repeat_interleave(shared, dim=1) for part in (k, v))
        return k, v

    def _rotated(self, layer: int, x: Tensor, prompts: int, rotation: Tensor) -> Tensor:
        """Rotate what stands behind the model's own tokens and prompts, by its place."""
        start, half = self.own_tokens + prompts, self.blocks[layer].attn.rotate_half
        patches = apply_rot_embed_cat(x[:, :, start:], _table(rotation, layer), half=half)
        return torch.cat((x[:, :, :start], patches), dim=2).type_as(x)

    @property
    def _has_last_norm(self) -> bool:
        return True

    def _encode_layer(self, layer: int, prompt: Tensor, changes: Changes) -> Tensor:
        """Return W_kv LayerNorm1(prompt) of one layer, (2, heads, tokens, head dim)."""
        here = changes.layer(layer)
        h = self._entering(layer, prompt.unsqueeze(0), here)
        k, v = (part.transpose(1, 2) for part in self.dense[layer].keys_values(h, here))
        k, v = self._keys_values(layer, k, v, k.shape[2], None)
        return torch.cat((k, v))

    def _pool(self, x: Tensor, changes: Changes) -> Tensor:
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

    def _packed(self, images: Tensor, segments: Sequence[Segment]) -> tuple[Tensor, Batch]:
        """Embed images and lay all rows' tokens out in one matrix.

        Shallow prompts stand behind the class and register tokens of their rows.
        """
        runs = [run for segment in segments for run in segment.runs]
        x, rotation = self._embed(images, Changes(runs))
        batch = Batch(segments, Changes(runs, x.shape[1]), x.shape[1], rotation)
        prompts = [segment.tokens() for segment in segments]
        if all(prompt is None for prompt in prompts):
            return x.flatten(0, 1), batch
        start = self.own_tokens
        parts = []
        for rows, prompt in zip(x.split([each.rows for each in segments]), prompts, strict=True):
            if prompt is not None:
                rows = torch.cat((rows[:, :start], prompt, rows[:, start:]), dim=1)
            parts.append(rows.flatten(0, 1))
        return torch.cat(parts), batch

    def _block(self, x: Tensor, layer: int, batch: Batch) -> Tensor:
        """Run a layer on the packed matrix."""
        dense, here = self.dense[layer], batch.changes.layer(layer)
        h = self._entering(layer, x, here)
        q, k, v = dense.qkv(h, here)
        mixed = []
        for segment, (q_rows, k_rows, v_rows) in batch.per_segment(q, k, v):
            q_rows = self._queries(layer, q_rows, segment.prompt_tokens, batch.rotation)
            mixed.append(self._attend(layer, segment, batch, q_rows, k_rows, v_rows).flatten(0, 1))
        joined = mixed[0] if len(mixed) == 1 else torch.cat(mixed)
        projected = dense.proj(_gated(self.blocks[layer].attn, h, joined), here)
        return self._finish(layer, x, projected, here)

    def _last_block(self, x: Tensor, batch: Batch) -> Tensor:
        """Run the last layer and return the tokens that pooling reads, (rows, tokens, dim).

        With class-token pooling all tokens give keys and values, but queries, projection and MLP
        are computed for the pooled tokens alone. Those have no position, so nothing rotates them.
        """
        layer, dense = len(self.blocks) - 1, self.dense[-1]
        if self.pooled_tokens is None:
            return self._unpack(self._block(x, layer, batch), batch)
        here = batch.changes.layer(layer)
        h = self._entering(layer, x, here)
        k, v = dense.keys_values(h, here)
        x, pooled = self._unpack(x, batch), self._unpack(h, batch)
        q = self.blocks[-1].attn.q_norm(dense.queries(pooled, here).transpose(1, 2))
        q_parts = q.split([segment.rows for segment in batch.segments])
        mixed = [
            self._attend(layer, segment, batch, q_rows, k_rows, v_rows)
            for q_rows, (segment, (k_rows, v_rows)) in zip(
                q_parts, batch.per_segment(k, v), strict=True
            )
        ]
        projected = dense.proj(_gated(self.blocks[-1].attn, pooled, torch.cat(mixed)), here)
        return self._finish(layer, x, projected, here)

    def _attend(
        self, layer: int, segment: Segment, batch: Batch, q: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        """Attend from one segment to its prefix and its own tokens; see `attend`.

        Args:
            q: as `_queries` returns them.
            k, v: as they were projected.
        """
        attn = self.blocks[layer].attn
        k, v = self._keys_values(layer, k, v, segment.prompt_tokens, batch.rotation)
        return attn.norm(attend(segment, layer, q, k, v, attn.scale))

    def _unpack(self, x: Tensor, batch: Batch) -> Tensor:
        """Take the tokens that pooling reads out of the packed matrix, (rows, tokens, dim).

        They are the pooled tokens, else all but the prompts.
        """
        start = self.own_tokens
        parts = []
        for segment, (tokens,) in batch.per_segment(x):
            if self.pooled_tokens is not None:
                tokens = tokens[:, : self.pooled_tokens]
            elif segment.prompt_tokens:
                stop = start + segment.prompt_tokens
                tokens = torch.cat((tokens[:, :start], tokens[:, stop:]), dim=1)
            parts.append(tokens)
        return torch.cat(parts)


def _table(rotation: Tensor, layer: int) -> Tensor:
    """Return a layer's sines and cosines, (…, patches, 2 x head dim).

    Mixed rotations have a table for each layer and head.
    """
    return rotation[layer] if rotation.ndim == 4 else rotation


def _gated(attn: Any, entering: Tensor, mixed: Tensor) -> Tensor:
    """Return what is projected of what attention mixed, both of one layout."""
    gate = getattr(attn, "gate", None)
    return mixed if gate is None else mixed * gate(entering).sigmoid()
