"""The prompted forward of the Swin family as timm builds it.

Semantics of Jia et al. 2022: the prompts of a block join every window, with zero
relative-position bias and no shift mask; their attention output is averaged over the windows;
merging repeats a prompt four times along the channels; the feature is the mean over all tokens,
prompts included. Deep prompts are replaced before every block, so all blocks but the last read
only their keys and values (prefix form); in the last they are tokens, since the mean reads them.

The released code of the paper mixes the images of a batch in Swin-Shallow; here every image sees
its own prompts alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformer,
    SwinTransformerBlock,
    WindowAttention,
    window_partition,
    window_reverse,
)
from torch import Tensor

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
from facet_vision.backbone.errors import UnsupportedBackbone
from facet_vision.backbone.execution.attend import SCORE_BYTES
from facet_vision.backbone.execution.dense import Dense, Heads, PackedDense, dense_of
from facet_vision.backbone.segments import Segment, arrange, restore


class SwinTransformerFamily:
    """Runs a timm `SwinTransformer` with prompts; its blocks are counted through all stages.

    Raises:
        UnsupportedBackbone: a part of the model has no verified prompted form.
    """

    def __init__(self, model: SwinTransformer) -> None:
        _check(model)
        self.model = model
        self.blocks: list[SwinTransformerBlock] = [
            block for stage in model.layers for block in stage.blocks
        ]
        self.dense = [dense_of(block) for block in self.blocks]
        # The merging, if any, that precedes a block: the first block of every stage but the first.
        self.mergings = [
            stage.downsample if index == 0 and isinstance(stage.downsample, PatchMerging) else None
            for stage in model.layers
            for index in range(len(stage.blocks))
        ]
        self.layer_dims: tuple[int, ...] = tuple(block.dim for block in self.blocks)
        self.feature_dim: int = model.num_features
        self.pooling = "avg"

    def features_tokens(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """Return pooled features by the plain formulation: prompts are tokens in every block."""
        if not prompts:
            return self.model.forward_head(self.model.forward_features(images), pre_logits=True)
        whole_batch = _Batch([(Adaptation(), len(images))])
        x = self.model.patch_embed(images)
        tokens: list[Tensor | None] = [prompts[0].expand(len(images), -1, -1)]
        for layer in range(len(self.blocks)):
            x, tokens = self._merge(layer, x, tokens)
            if layer and len(prompts) > 1:
                tokens = [prompts[layer].expand(len(images), -1, -1)]
            x, tokens = self._block(layer, x, tokens, whole_batch)
        return self._pool(x, tokens, whole_batch)

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
        """Encode a task.

        Shallow prompts stay tokens; deep ones become keys and values, except those of the last
        block.
        """
        last = len(self.blocks) - 1
        adaptation = Adaptation(changes=encode_changes(places))
        if len(prompts) > last:
            changes = Changes([(adaptation, 1)])
            pairs = [self._encode_layer(layer, prompts[layer], changes) for layer in range(last)]
            adaptation = replace(
                adaptation, tokens=prompts[-1], tokens_from=last, keys_values=tuple(pairs)
            )
        elif prompts:
            adaptation = replace(adaptation, tokens=prompts[0])
        return join_prefix(adaptation, places, [block.attn.num_heads for block in self.blocks])

    def pack(self) -> None:
        """Pack the blocks' linear layers; see `Backbone.pack`."""
        self.dense = [PackedDense(block) for block in self.blocks]

    def features_prefix(self, images: Tensor, groups: Sequence[Group]) -> Tensor:
        """Return pooled features of a mixed batch; see `Backbone.features_mixed`."""
        segments, order = arrange(groups)
        batch = _Batch([run for segment in segments for run in segment.runs], segments)
        x = self.model.patch_embed(images if order is None else images[order])
        x = batch.changes.layer(0).after("embed", x)
        tokens: list[Tensor | None] = [None] * len(segments)
        for layer in range(len(self.blocks)):
            x, tokens = self._merge(layer, x, tokens)
            # Pooling reads the prompts of the last block, so there deep ones are tokens as well.
            tokens = [
                segment.tokens() if segment.tokens_from == layer else own
                for segment, own in zip(segments, tokens, strict=True)
            ]
            x, tokens = self._block(layer, x, tokens, batch)
        return restore(self._pool(x, tokens, batch), order)

    def _encode_layer(self, layer: int, prompt: Tensor, changes: Changes) -> Tensor:
        """Return W_kv LayerNorm1(prompt) of one block, (2, heads, tokens, head dim)."""
        here = changes.layer(layer)
        h = here.after("norm1", self.blocks[layer].norm1(prompt.unsqueeze(0)))
        return torch.cat([part.transpose(1, 2) for part in self.dense[layer].keys_values(h, here)])

    def _merge(
        self, layer: int, x: Tensor, tokens: Sequence[Tensor | None]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Halve the grid in front of a stage's first block.

        A prompt, which has no neighbours in the grid, is merged with three copies of itself.
        """
        merging = self.mergings[layer]
        if merging is None:
            return x, list(tokens)
        merged = [
            None if own is None else merging.reduction(merging.norm(own.repeat(1, 1, 4)))
            for own in tokens
        ]
        return merging(x), merged

    def _block(
        self, layer: int, x: Tensor, tokens: Sequence[Tensor | None], batch: "_Batch"
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Run one block.

        Args:
            x: image tokens, (rows, height, width, dim).
            tokens: per segment its prompts as tokens, (rows, tokens, dim), or None.
        """
        block, dense, here = self.blocks[layer], self.dense[layer], batch.changes.layer(layer)
        shifted = _shift(block, here.after("norm1", block.norm1(x)))
        windows = window_partition(shifted, block.window_size).flatten(1, 2)
        per_image = windows.shape[0] // x.shape[0]
        # One product over the windows of all segments; only attention is per segment.
        sizes = [segment.rows * per_image for segment in batch.segments]
        image_qkv = [part.split(sizes) for part in dense.qkv(windows, here)]
        image_parts: list[Tensor] = []
        new_tokens: list[Tensor | None] = []
        for segment, own, of_segment, *part in zip(
            batch.segments, tokens, batch.of_segments, *image_qkv, strict=True
        ):
            there, prompts = of_segment.layer(layer), None
            if own is not None:
                h = there.after("norm1", block.norm1(own))
                prompts = _per_head(dense.qkv(h, there))
            image_part, prompt_part = _attend(
                block, shifted, segment, layer, _per_head(part), prompts
            )
            image_parts.append(image_part)
            finished = None if own is None else _finish(block, dense, own, prompt_part, there)
            new_tokens.append(finished)
        mixed = _unshift(block, torch.cat(image_parts), shifted, x)
        return _finish(block, dense, x, mixed, here), new_tokens

    def _pool(self, x: Tensor, tokens: Sequence[Tensor | None], batch: "_Batch") -> Tensor:
        """Average all tokens after the final norm: the image's, and prompts where there are any."""
        last = len(self.blocks) - 1
        normed = batch.changes.layer(last).after("norm", self.model.norm(x)).flatten(1, 2)
        rows = normed.split([segment.rows for segment in batch.segments])
        features = []
        for part, own, of_segment in zip(rows, tokens, batch.of_segments, strict=True):
            if own is not None:
                prompts = of_segment.layer(last).after("norm", self.model.norm(own))
                part = torch.cat((prompts, part), dim=1)
            features.append(part.mean(dim=1))
        return torch.cat(features)


class _Batch:
    """A mixed batch: its segments, and what its rows change.

    Attributes:
        changes: of all rows.
        of_segments: of the rows of each segment.
    """

    def __init__(self, runs: Sequence[Group], segments: Sequence[Segment] = ()) -> None:
        self.segments = segments or [Segment(tuple(runs), sum(rows for _, rows in runs))]
        self.changes = Changes(runs)
        self.of_segments = [Changes(segment.runs) for segment in self.segments]


def _attend(
    block: SwinTransformerBlock,
    shifted: Tensor,
    segment: Segment,
    layer: int,
    image: Heads,
    prompts: Heads | None,
) -> tuple[Tensor, Tensor]:
    """Run the window attention of one segment.

    Args:
        shifted: the block's shifted and padded tokens, for the shape of its shift mask.
        image: queries, keys and values, each (rows x windows, heads, area, head dim).
        prompts: those of prompts that are tokens, each (rows, heads, tokens, head dim); None where
            there are none.

    Returns:
        The outputs of image tokens, (rows x windows, area, dim), and of prompts, (rows, tokens,
        dim), which are averaged over the windows.
    """
    windows = image[0].shape[0] // segment.rows
    prompt_tokens = 0 if prompts is None else prompts[0].shape[2]
    # Prompts have zero bias and no shift mask: as keys on the left, as queries on top.
    keys_before = segment.prefix_tokens(layer) + prompt_tokens
    mask = F.pad(_bias(block, shifted), (keys_before, 0, prompt_tokens, 0))
    bytes_of_row = windows * mask[0].numel() * image[0].element_size()
    mixed = []
    for part, cut in segment.cut(max(1, SCORE_BYTES // bytes_of_row)):
        part_image = _rows(image, cut, windows)
        part_prompts = None if prompts is None else _rows(prompts, cut, 1)
        mixed.append(_mix(block, part, layer, part_image, part_prompts, mask))
    both = mixed[0] if len(mixed) == 1 else torch.cat(mixed)
    of_prompts = both[:, :prompt_tokens].unflatten(0, (segment.rows, windows)).mean(dim=1)
    return both[:, prompt_tokens:], of_prompts


def _mix(
    block: SwinTransformerBlock,
    segment: Segment,
    layer: int,
    image: Heads,
    prompts: Heads | None,
    mask: Tensor,
) -> Tensor:
    """Attend with the prompts and image tokens of every window.

    Returns:
        (rows x windows, tokens + area, dim).
    """
    q, k, v = image
    windows = q.shape[0] // segment.rows
    if prompts is not None:
        copies = [part.repeat_interleave(windows, dim=0) for part in prompts]
        q, k, v = (torch.cat(pair, dim=2) for pair in zip(copies, image, strict=True))
    k, v = segment.extend(k, v, layer)
    scores = ((q * block.attn.scale) @ k.mT).unflatten(0, (segment.rows, windows))
    scores += mask
    return (scores.softmax(dim=-1).flatten(0, 1) @ v).transpose(1, 2).flatten(2)


def _rows(qkv: Heads, cut: slice, copies: int) -> Heads:
    """Cut out the images in `cut`, each of which has `copies` rows."""
    q, k, v = (part[cut.start * copies : cut.stop * copies] for part in qkv)
    return q, k, v


def _bias(block: SwinTransformerBlock, shifted: Tensor) -> Tensor:
    """Return relative-position bias plus shift mask, (windows or 1, heads, area, area)."""
    mask = block.get_attn_mask(shifted) if block.dynamic_mask else block.attn_mask
    bias = block.attn._get_rel_pos_bias()
    return bias if mask is None else bias + mask.unsqueeze(1)


def _shift(block: SwinTransformerBlock, x: Tensor) -> Tensor:
    """Shift (rows, height, width, dim) cyclically and pad it to whole windows."""
    if any(block.shift_size):
        x = x.roll((-block.shift_size[0], -block.shift_size[1]), dims=(1, 2))
    height, width = block.window_size
    return F.pad(x, (0, 0, 0, -x.shape[2] % width, 0, -x.shape[1] % height))


def _unshift(block: SwinTransformerBlock, windows: Tensor, shifted: Tensor, x: Tensor) -> Tensor:
    """Undo windows, padding and shift; the result has the shape of x."""
    y = window_reverse(
        windows.unflatten(1, block.window_size), block.window_size, *shifted.shape[1:3]
    )
    y = y[:, : x.shape[1], : x.shape[2]]
    return y.roll(block.shift_size, dims=(1, 2)) if any(block.shift_size) else y


def _finish(
    block: SwinTransformerBlock, dense: Dense, x: Tensor, mixed: Tensor, changes: LayerChanges
) -> Tensor:
    """Run what follows attention in a block, on any layout: projection, residuals and MLP."""
    x = x + block.drop_path1(dense.proj(mixed, changes))
    h = changes.after("norm2", block.norm2(x))
    return x + block.drop_path2(dense.mlp(h, changes))


def _per_head(qkv: Sequence[Tensor]) -> Heads:
    """Turn (rows, tokens, heads, head dim) into (rows, heads, tokens, head dim)."""
    q, k, v = (part.transpose(1, 2) for part in qkv)
    return q, k, v


def _check(model: Any) -> None:
    """Raise UnsupportedBackbone for what no parity test covers."""
    if type(model) is not SwinTransformer:
        raise UnsupportedBackbone(
            f"backbone: expected a SwinTransformer, found {type(model).__name__}"
        )
    if model.global_pool != "avg":
        raise UnsupportedBackbone(f"backbone pooling: expected avg, found {model.global_pool!r}")
    for stage in model.layers:
        for block in stage.blocks:
            if type(block) is not SwinTransformerBlock or type(block.attn) is not WindowAttention:
                found = type(block).__name__
                raise UnsupportedBackbone(
                    f"backbone block: expected SwinTransformerBlock, found {found}"
                )
