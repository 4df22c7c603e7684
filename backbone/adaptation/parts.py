"""Learned tensors by name, and the encoded changes that they make.

A part is named `{kind}.{layer}.{site}.{part}`, as in a task file: `lora.0.qkv.a`. Several kinds may
change one site.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from facet_vision.backbone.errors import BackboneError

from .adaptation import Adaptation
from .affine import Affine
from .bottleneck import Parallel, Sequential
from .change import Change, Place
from .low_rank import LowRank
from .sites import Widths

LINEAR_SITES = ("qkv", "proj", "fc1", "fc2")
OUTPUT_SITES = ("embed", "norm1", "qkv", "proj", "norm2", "fc1", "fc2", "norm")
BLOCK = "block"

KINDS: Mapping[str, tuple[Sequence[str], Mapping[str, tuple[str, ...]]]] = {
    "lora": (LINEAR_SITES, {"a": ("rank", "in"), "b": ("out", "rank")}),
    "bias": (OUTPUT_SITES, {"bias": ("out",)}),
    "ssf": (OUTPUT_SITES, {"scale": ("out",), "shift": ("out",)}),
    "adapter": (
        (BLOCK,),
        {
            "down": ("width", "in"),
            "down_bias": ("width",),
            "up": ("out", "width"),
            "up_bias": ("out",),
        },
    ),
    "parallel": (
        (BLOCK,),
        {
            "down": ("width", "in"),
            "down_bias": ("width",),
            "up": ("out", "width"),
            "up_bias": ("out",),
        },
    ),
    "prefix": ((BLOCK,), {"key": ("tokens", "in"), "value": ("tokens", "in")}),
}
"""Each kind's sites, and the sizes of its parts: those of the site, and free ones."""

Parts = Mapping[str, Tensor]
"""Learned tensors by name."""

NO_PARTS: Parts = MappingProxyType({})

Places = Mapping[Place, Mapping[str, Parts]]
"""Learned tensors by layer and site, kind, and part."""


class Sites(Protocol):
    """What a family says of its sites."""

    def widths(self, layer: int, site: str) -> Widths | None:
        """Return how many numbers a site reads and writes; None where there is no such site."""
        ...


def by_place(parts: Parts, sites: Sites) -> Places:
    """Return the parts by place, checked against the backbone.

    Raises:
        BackboneError: a name or a shape does not fit.
    """
    found: dict[Place, dict[str, dict[str, Tensor]]] = defaultdict(lambda: defaultdict(dict))
    for name, tensor in parts.items():
        kind, layer, site, part = _split(name)
        found[layer, site][kind][part] = tensor
    for (layer, site), kinds in found.items():
        for kind, tensors in kinds.items():
            place = f"{kind}.{layer}.{site}"
            widths = sites.widths(layer, site)
            if widths is None:
                raise BackboneError(
                    f"{place}: expected a layer and a site of the backbone that a task can change, "
                    "found none of that name"
                )
            _check_shapes(place, KINDS[kind][1], tensors, widths)
    return found


def encode_changes(places: Places) -> dict[Place, tuple[Change, ...]]:
    """Encode everything but learned keys and values; differentiable."""
    found = {place: tuple(_changes(kinds)) for place, kinds in sorted(places.items())}
    return {place: changes for place, changes in found.items() if changes}


def join_prefix(adaptation: Adaptation, places: Places, heads: Sequence[int]) -> Adaptation:
    """Put learned keys and values in front of those of prompts.

    Unlike a prompt's, they are free of LayerNorm and W_kv: Li and Liang 2021, "Prefix-Tuning"
    (arXiv 2101.00190).

    Args:
        heads: of each layer.
    """
    learned = {layer: kinds["prefix"] for (layer, _), kinds in places.items() if "prefix" in kinds}
    if not learned:
        return adaptation
    some = next(iter(learned.values()))["key"]
    pairs = []
    for layer, count in enumerate(heads):
        of_prompts = adaptation.keys_values[layer : layer + 1]
        of_layer = [_per_head(learned[layer], count)] if layer in learned else []
        nothing = [some.new_empty(2, count, 0, 1)]  # joined with nothing, its width does not matter
        pairs.append(torch.cat([*of_layer, *of_prompts] or nothing, dim=2))
    return replace(adaptation, keys_values=tuple(pairs))


def _per_head(parts: Parts, heads: int) -> Tensor:
    """Return keys and values (tokens, dim) as (2, heads, tokens, head dim)."""
    pair = torch.stack((parts["key"], parts["value"]))
    return pair.unflatten(-1, (heads, -1)).transpose(1, 2)


def _changes(kinds: Mapping[str, Parts]) -> list[Change]:
    """Return the changes of one place in the order in which they act."""
    changes: list[Change] = []
    if "lora" in kinds:
        changes.append(LowRank.encode(kinds["lora"]))
    if "bias" in kinds or "ssf" in kinds:
        changes.append(Affine.encode(kinds.get("bias", {}), kinds.get("ssf", {})))
    if "adapter" in kinds:
        changes.append(Sequential.encode(kinds["adapter"]))
    if "parallel" in kinds:
        changes.append(Parallel.encode(kinds["parallel"]))
    return changes


def _split(name: str) -> tuple[str, int, str, str]:
    """Return kind, layer, site and part of a name."""
    kind, layer, site, part = (*name.split("."), "", "", "")[:4]
    if kind not in KINDS or not layer.isdecimal() or name.count(".") != 3:
        raise BackboneError(
            f"adaptation: expected names such as 'lora.0.qkv.a' of the kinds {', '.join(KINDS)}, "
            f"found {name[:80]!r}"
        )
    places, shapes = KINDS[kind]
    if site not in places or part not in shapes:
        raise BackboneError(
            f"{kind}: expected the sites {', '.join(places)} and the parts {', '.join(shapes)}, "
            f"found {name[:80]!r}"
        )
    return kind, int(layer), site, part


def _check_shapes(
    place: str, shapes: Mapping[str, tuple[str, ...]], tensors: Parts, widths: Widths
) -> None:
    sizes: dict[str, int] = dict(zip(("in", "out"), widths, strict=True))
    for part, symbols in shapes.items():
        if part not in tensors:
            raise BackboneError(f"{place}: expected the part {part!r}, found {', '.join(tensors)}")
        shape = tuple(tensors[part].shape)
        if len(shape) == len(symbols):
            for symbol, size in zip(symbols, shape, strict=True):
                sizes.setdefault(symbol, size)
        expected = tuple(sizes.get(symbol, symbol) for symbol in symbols)
        if shape != expected:
            raise BackboneError(f"{place}.{part}: expected shape {expected}, found {shape}")
