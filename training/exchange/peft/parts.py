"""What an adapter changes in a backbone, as parts of a task file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.backbone.checkpoints.huggingface import timm_name
from facet_vision.training.errors import ExchangeError

from .adapter import Adapter, Pair

FUSED = {"query": 0, "key": 1, "value": 2}
"""Layers of `transformers`, and which third of the outputs of timm's fused one is theirs."""

LINEAR = ("qkv", "proj", "fc1", "fc2")

Member = tuple[slice, Tensor, Tensor]
"""Some outputs of a layer, and the factors a (rank, in) and b (outputs, rank) of their pair."""


@dataclass(frozen=True)
class Place:
    """Where a module of the base is in the backbone.

    Attributes:
        module: name of timm's module.
        key: "{layer}.{site}".
        reads: how many numbers the module reads.
        rows: which of the site's outputs are the module's.
        writes: how many outputs the site has.
    """

    module: str
    key: str
    reads: int
    rows: slice
    writes: int


def parts_of(adapter: Adapter, backbone: Backbone) -> dict[str, Tensor]:
    """Return the parts by their names in a task file, float32.

    Raises:
        ExchangeError: a tensor is of no module that a task can change, or of another shape.
    """
    translation = _Translation(backbone, adapter.wrapper)
    for module, pair in adapter.pairs.items():
        translation.add_pair(module, pair, adapter.config.scale(module))
    for name, value in adapter.values.items():
        translation.add_value(name, value)
    return translation.parts()


def joined(members: Sequence[Member], writes: int) -> tuple[Tensor, Tensor]:
    """Make one pair of several that write to different outputs of one layer.

    Pairs with the same factor a share it; the others stand in blocks, so that the rank is the sum
    of theirs.

    Args:
        writes: how many outputs the layer has.
    """
    distinct: list[Tensor] = []
    placed: list[tuple[slice, int, Tensor]] = []
    for rows, a, b in members:
        same = [index for index, each in enumerate(distinct) if torch.equal(each, a)]
        placed.append((rows, same[0] if same else len(distinct), b))
        distinct += [] if same else [a]
    starts = [sum(map(len, distinct[:index])) for index in range(len(distinct))]
    whole = torch.cat(distinct)
    out = whole.new_zeros(writes, len(whole))
    for rows, index, b in placed:
        out[rows, starts[index] : starts[index] + b.shape[1]] = b
    return whole, out


class _Translation:
    """The tensors of an adapter that were understood so far.

    Args:
        wrapper: how names of the base begin in front of the network's.
    """

    def __init__(self, backbone: Backbone, wrapper: str) -> None:
        self._backbone = backbone
        self._wrapper = wrapper
        self._sites = backbone.sites()
        self._base = backbone.model.state_dict()
        self._pairs: dict[str, list[Member]] = defaultdict(list)
        self._writes: dict[str, int] = {}
        self._biases: dict[str, Tensor] = {}

    def add_pair(self, module: str, pair: Pair, scale: float) -> None:
        """Add a low-rank pair, and a bias of its own where it has one."""
        place = self._place(module)
        if place is None or place.key.rpartition(".")[2] not in LINEAR:
            raise ExchangeError(
                "target_modules: expected linear layers in the blocks of "
                f"{self._backbone.name} (queries, keys and values, projection, MLP), "
                f"found '{module}'"
            )
        outputs = place.rows.stop - place.rows.start
        self._check(f"{module}.lora_A.weight", pair.a, (len(pair.a), place.reads))
        self._check(f"{module}.lora_B.weight", pair.b, (outputs, len(pair.a)))
        self._pairs[place.key].append((place.rows, pair.a, scale * pair.b))
        self._writes[place.key] = place.writes
        if pair.bias is not None:
            self._check(f"{module}.lora_B.bias", pair.bias, (outputs,))
            self._change_bias(place, scale * pair.bias)

    def add_value(self, name: str, value: Tensor) -> None:
        """Add what replaces a value of the base: PEFT saves biases whole, trained or not."""
        module, _, kind = name.rpartition(".")
        place = self._place(module)
        if kind == "bias" and place is not None:
            self._check(name, value, (place.rows.stop - place.rows.start,))
            own = self._base.get(f"{place.module}.bias")
            self._change_bias(place, value if own is None else value - own[place.rows])
            return
        own = self._base.get(timm_name(name.removeprefix(self._wrapper)))
        if own is None or not torch.equal(own.float(), value):
            raise ExchangeError(
                f"tensor '{name}': expected low-rank pairs, biases of layers of "
                f"{self._backbone.name} and one head, found a value that no task file can hold"
            )

    def parts(self) -> dict[str, Tensor]:
        """Return the parts; biases that are as in the base are none."""
        parts: dict[str, Tensor] = {}
        for key, members in self._pairs.items():
            a, b = joined(members, self._writes[key])
            parts |= {f"lora.{key}.a": a, f"lora.{key}.b": b}
        changed = {key: change for key, change in self._biases.items() if change.any()}
        return parts | {f"bias.{key}.bias": change for key, change in changed.items()}

    def _place(self, module: str) -> Place | None:
        """Find a module of the base in the backbone; None where a task can change nothing."""
        inner = module.removeprefix(self._wrapper)
        name = timm_name(f"{inner}.weight").removesuffix(".weight")
        stem, _, last = name.rpartition(".")
        third = FUSED.get(last)
        name = name if third is None else f"{stem}.qkv"
        if name not in self._sites:
            return None
        layer, site = self._sites[name]
        reads, writes = self._backbone.widths(layer, site) or (0, 0)
        rows = slice(0, writes)
        if third is not None:
            rows = slice(third * writes // 3, (third + 1) * writes // 3)
        return Place(name, f"{layer}.{site}", reads, rows, writes)

    def _change_bias(self, place: Place, change: Tensor) -> None:
        whole = self._biases.setdefault(place.key, torch.zeros(place.writes))
        whole[place.rows] += change

    def _check(self, name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(tensor.shape) != shape:
            raise ExchangeError(
                f"shape of '{name}': expected {list(shape)} for {self._backbone.name}, "
                f"found {list(tensor.shape)}"
            )
