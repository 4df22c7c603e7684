"""The tensors of an adapter by what they are, read from its folder."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from facet_vision.training.errors import ExchangeError

from .config import AdapterConfig

FILE = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"
BASE = "base_model.model."

WRAPPERS = re.compile(r"(vit|deit|swin|dinov2|dinov2_with_registers|timm_model)\.")
"""How names begin in the classifiers of `transformers`; those of timm begin with nothing."""

HEADS = ("classifier", "head", "head.fc")

_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<part>A\.weight|B\.weight|B\.bias)")
_SAVED = re.compile(r"\.(base_layer|modules_to_save(\.default)?)(?=\.)")
_NOT_OF_THE_ADAPTER = ".original_module."


@dataclass
class Pair:
    """One low-rank pair.

    Attributes:
        a: (r, in).
        b: (out, r), without its factor.
        bias: (out,), which PEFT adds behind b where `lora_bias` is set.
    """

    a: Tensor
    b: Tensor
    bias: Tensor | None = None


@dataclass
class Adapter:
    """An adapter; modules go by their names in the base.

    Attributes:
        folder: its name.
        wrapper: how the names of the network's modules begin, such as "vit."; "" for timm's.
        pairs: by module.
        values: what replaces values of the base: biases by their names.
        head: weight (labels, feature) and bias.
    """

    folder: str
    config: AdapterConfig
    wrapper: str
    head: tuple[Tensor, Tensor]
    pairs: dict[str, Pair] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter's folder; all tensors become float32.

    Raises:
        ExchangeError: a file is missing or damaged, or holds what no task file can.
    """
    config = AdapterConfig.read(folder)
    tensors = _tensors(folder)
    found = [match for name in tensors if (match := WRAPPERS.match(name))]
    wrapper = found[0].group() if found else ""
    factors: dict[str, dict[str, Tensor]] = defaultdict(dict)
    values: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if factor := _FACTOR.fullmatch(name):
            factors[factor["module"]][factor["part"]] = tensor
        elif _NOT_OF_THE_ADAPTER not in name:
            values[_SAVED.sub("", name)] = tensor
    head = _head(values, wrapper, config)
    pairs = {module: _pair(module, config, given) for module, given in factors.items()}
    return Adapter(folder.resolve().name, config, wrapper, head, pairs, values)


def _tensors(folder: Path) -> dict[str, Tensor]:
    """Read the tensors by their names in the base."""
    path = folder / FILE
    if not path.is_file():
        pickle = (folder / PICKLE).is_file()
        raise ExchangeError(
            f"{FILE}: expected one in {folder}, found {_PICKLED if pickle else 'none'}"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ExchangeError(f"{FILE}: expected sound safetensors, found a fault: {error}") from None
    for name in tensors:
        if not name.startswith(BASE):
            raise ExchangeError(
                f"{FILE}: expected names that begin with {BASE!r}, found {name[:80]!r}"
            )
    return {name.removeprefix(BASE): tensor.float() for name, tensor in tensors.items()}


_PICKLED = (
    f"{PICKLE}, a pickle, which is not read; convert it where you trust it: "
    "safetensors.torch.save_file(torch.load('adapter_model.bin', weights_only=True), "
    "'adapter_model.safetensors')"
)


def _pair(module: str, config: AdapterConfig, given: dict[str, Tensor]) -> Pair:
    for part in ("A.weight", "B.weight"):
        name = f"{module}.lora_{part}"
        if part not in given:
            raise ExchangeError(f"{FILE}: expected '{name}', found none of that name")
        if given[part].ndim != 2:
            raise ExchangeError(
                f"shape of '{name}': expected two sizes, as a linear layer has, "
                f"found {list(given[part].shape)}"
            )
    a, b = given["A.weight"], given["B.weight"]
    rank = config.rank(module)
    if (len(a), b.shape[1]) != (rank, rank):
        raise ExchangeError(
            f"rank of '{module}': expected {rank} as the settings say, "
            f"found {len(a)} and {b.shape[1]}"
        )
    return Pair(a, b, given.get("B.bias"))


def _head(values: dict[str, Tensor], wrapper: str, config: AdapterConfig) -> tuple[Tensor, Tensor]:
    """Take the head out of the values."""
    before = wrapper if wrapper == "timm_model." else ""
    found = [name for name in HEADS if f"{before}{name}.weight" in values]
    if len(found) != 1:
        saved = ", ".join(config.modules_to_save or []) or "none"
        raise ExchangeError(
            f"modules_to_save: expected a head of one linear layer, as {' or '.join(HEADS)}, "
            f"found {saved}"
        )
    weight = values.pop(f"{before}{found[0]}.weight")
    bias = values.pop(f"{before}{found[0]}.bias", None)
    return weight, weight.new_zeros(len(weight)) if bias is None else bias
