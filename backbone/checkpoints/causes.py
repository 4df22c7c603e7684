"""What most likely is wrong with a checkpoint that does not fit."""

import re
from collections import Counter
from collections.abc import Callable, Mapping

from torch import Tensor

State = Mapping[str, Tensor]

LORA = re.compile(r"\blora_|\.lora\.")
QUANTISED = re.compile(
    r"\.(absmax|quant_map|nested_absmax|SCB|qweight|qzeros|scales|weight_scale|zero_point)$"
    r"|quant_state|_packed_params"
)
BLOCK = re.compile(r"(layers\.\d+\.)?blocks\.\d+\.")
FEW = 5
"""Names in common below which a file is taken for another kind of network altogether."""


def holds_numbers(value: Tensor) -> bool:
    """Tell whether a tensor holds weights as they are, not codes that a scale gives a meaning."""
    return value.is_floating_point() and value.element_size() > 1


def of_the_file(state: State) -> str:
    """Name a kind of file that never fits, "" where it is none."""
    if any(LORA.search(name) for name in state):
        return "it holds a LoRA adapter; merge it into the network that it was learned on first"
    coded = any(_is_weight(name) and not holds_numbers(value) for name, value in state.items())
    if coded or any(QUANTISED.search(name) for name in state):
        return "its weights are quantised; use those from before"
    return ""


def _is_weight(name: str) -> bool:
    return name.endswith(".weight")


def of_the_architecture(expected: State, found: State) -> str:
    """Name the trait in which the file's network differs from the model, "" where none is known.

    Args:
        expected: the model's weights.
        found: the file's, by timm's names, at their own sizes.
    """
    if len(expected.keys() & found.keys()) < min(FEW, len(expected)):
        names = ", ".join(sorted(found)[:3])
        return f"its names are those of another kind of network: {names}"
    for traits in (TRAITS, RESAMPLED):
        differences = [
            f"{trait}: {of_model} here, {of_file} in the file"
            for trait, read in traits.items()
            if (of_model := read(expected)) != (of_file := read(found))
        ]
        if differences:
            return ", ".join(differences)
    return ""


def _width(state: State) -> str:
    return _size(state, "patch_embed.proj.weight", 0) or _size(state, "norm.weight", 0)


def _depth(state: State) -> str:
    """Return the number of blocks, of a Swin those of each stage."""
    blocks = {hit[0] for name in state if (hit := BLOCK.match(name))}
    stages = Counter(block.rpartition("blocks.")[0] for block in blocks)
    return "-".join(str(count) for _, count in sorted(stages.items()))


def _mlp(state: State) -> str:
    return next((str(v.shape[0]) for k, v in state.items() if k.endswith("mlp.fc1.weight")), "none")


def _patch(state: State) -> str:
    weight = state.get("patch_embed.proj.weight")
    return "x".join(map(str, weight.shape[2:])) if weight is not None else "another stem"


def _channels(state: State) -> str:
    return _size(state, "patch_embed.proj.weight", 1)


def _positions(state: State) -> str:
    return _size(state, "pos_embed", 1) or "none"


def _registers(state: State) -> str:
    return _size(state, "reg_token", 1) or "0"


def _has(part: str, present: str, absent: str) -> Callable[[State], str]:
    return lambda state: present if any(part in f".{name}" for name in state) else absent


def _size(state: State, name: str, dim: int) -> str:
    value = state.get(name)
    return str(value.shape[dim]) if value is not None and value.ndim > dim else ""


TRAITS: dict[str, Callable[[State], str]] = {
    "width": _width,
    "layers": _depth,
    "width of the MLPs": _mlp,
    "register tokens": _registers,
    "class token": _has(".cls_token", "one", "none"),
    "distillation token": _has(".dist_token", "one", "none"),
    "layer scale": _has(".ls1.", "yes", "no"),
    "norm before the layers": _has(".norm_pre.", "yes", "no"),
    "norm of the pooled average": _has(".fc_norm.", "yes", "no"),
    "pooling by attention": _has(".attn_pool.", "yes", "no"),
    "bias of queries, keys and values": _has(".attn.qkv.bias", "yes", "no"),
    "channels": _channels,
}
"""What tells networks apart."""

RESAMPLED = {"patch": _patch, "positions": _positions}
"""What can be resampled, so that it is a cause only where nothing else is."""
