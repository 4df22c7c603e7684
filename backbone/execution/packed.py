"""Frozen linear layers whose weights lie in memory as the processor's matrix product reads them, by oneDNN.

oneDNN comes with PyTorch, whose compiler reaches it through the operators used here. Compiling whole blocks gives 0.96
of their time on a CPU and takes half a minute and a C++ compiler at every start; packing takes a second.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from timm.layers import GELU, GELUTanh, Mlp
from torch import Tensor, nn

from facet_vision.backbone.errors import BackboneError

ROWS = 1024
"""Tokens of the product that `gain` times: some images' worth."""

REPEATS = 3


def available() -> bool:
    """Whether this build of PyTorch has what packing needs."""
    ops = torch.ops.mkldnn
    return torch.backends.mkldnn.is_available() and hasattr(ops, "_linear_pointwise")


class PackedLinear:
    """A frozen linear layer and what follows it elementwise, in one kernel; for inference on a CPU alone.

    Args:
        weight: (outputs, inputs), copied.
        bias: (outputs,) or None.
        gelu: None, or how GELU is approximated on the outputs: "none" or "tanh".
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: str | None = None) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._bias = None if bias is None else bias.detach().clone()
        self._follows: tuple[str, list[float], str] = (
            ("none", [], "") if gelu is None else ("gelu", [], gelu)
        )

    def __call__(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        if x.requires_grad:  # oneDNN's kernel has no backward pass and would only warn
            raise BackboneError(
                "gradients: expected none through packed weights, found an input that asks for them"
            )
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, *self._follows)


def pack(layer: nn.Linear, gelu: str | None = None) -> PackedLinear:
    """Pack a whole layer."""
    return PackedLinear(layer.weight, layer.bias, gelu)


def pack_mlp(mlp: Any) -> Callable[[Tensor], Tensor]:
    """Pack timm's usual MLP; one of another kind is left as it is."""
    if type(mlp) is not Mlp or not isinstance(mlp.fc1, nn.Linear):
        return mlp
    gelu = _gelu(mlp.act)
    first, second = pack(mlp.fc1, gelu), pack(mlp.fc2)
    between = nn.Sequential(*([] if gelu else [mlp.act]), mlp.norm)
    return lambda x: second(between(first(x)))


def gain(mlp: Any, inputs: int) -> float:
    """Time of a packed MLP over that of the same MLP as it is, measured now: the fastest of a few repeats of each."""
    weight = next(mlp.parameters())
    packed, x = pack_mlp(mlp), torch.ones(ROWS, inputs, dtype=weight.dtype, device=weight.device)
    with torch.inference_mode():
        times = [(_seconds(packed, x), _seconds(mlp, x)) for _ in range(1 + REPEATS)][
            1:
        ]  # the first warms up
    return min(time for time, _ in times) / min(time for _, time in times)


def _gelu(activation: nn.Module) -> str | None:
    if type(activation) is nn.GELU:
        return activation.approximate
    return {GELU: "none", GELUTanh: "tanh"}.get(type(activation))


def _seconds(mlp: Callable[[Tensor], Tensor], x: Tensor) -> float:
    begun = perf_counter()
    mlp(x)
    return perf_counter() - begun
