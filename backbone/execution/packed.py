"""Frozen linear layers in the memory layout of oneDNN's matrix product.

oneDNN comes with PyTorch, whose compiler reaches it through the operators used here. Compiling
whole blocks takes 0.96 of their time on a CPU, but half a minute and a C++ compiler at every
start; packing takes a second.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from timm.layers import GELU, GELUTanh, Mlp
from torch import Tensor, nn

from facet_vision.backbone.errors import BackboneError

TIMED_ROWS = 1024
"""Tokens of the product that `gain` times: those of a few images."""

REPEATS = 3


def available(dtype: torch.dtype) -> bool:
    """Return whether this build of PyTorch can pack weights of `dtype` on this processor.

    oneDNN packs float32 everywhere, and bfloat16 only with certain instructions: on x86
    avx_ne_convert, or avx512bw with avx512vl and avx512dq. A processor with AVX2 alone multiplies
    in bfloat16 in the plain form but refuses to pack it.
    """
    ops = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(ops, "_linear_pointwise"):
        return False
    if dtype == torch.bfloat16:
        return ops._is_mkldnn_bf16_supported()
    return dtype == torch.float32


class PackedLinear:
    """A frozen linear layer; for inference on a CPU alone.

    Args:
        weight: (outputs, inputs), copied.
        bias: (outputs,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._bias = None if bias is None else bias.detach().clone()

    def __call__(self, x: Tensor, gelu: str | None = None) -> Tensor:
        """Map (..., inputs) to (..., outputs).

        Args:
            gelu: how GELU is approximated, "none" or "tanh", to apply it in the same kernel.
        """
        if x.requires_grad:  # oneDNN's kernel has no backward pass and would only warn
            raise BackboneError(
                "gradients: expected none through packed weights, found an input that requires them"
            )
        activation: tuple[str, list[float], str] = (
            ("none", [], "") if gelu is None else ("gelu", [], gelu)
        )
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, *activation)


def pack(layer: nn.Linear) -> PackedLinear:
    """Pack a whole layer."""
    return PackedLinear(layer.weight, layer.bias)


def can_pack(mlp: Any) -> bool:
    """Whether an MLP is timm's usual one."""
    return type(mlp) is Mlp and isinstance(mlp.fc1, nn.Linear)


class PackedMlp:
    """Timm's usual MLP with packed layers, GELU in the kernel of the first.

    Attributes:
        fc1, fc2: its layers; without the activation between them.
    """

    def __init__(self, mlp: Any) -> None:
        self.fc1, self.fc2 = pack(mlp.fc1), pack(mlp.fc2)
        self._gelu = _gelu(mlp.act)
        self._between = nn.Sequential(*([] if self._gelu else [mlp.act]), mlp.norm)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the MLP, (..., dim)."""
        return self.fc2(self._between(self.fc1(x, self._gelu)))


def gain(mlp: Any, inputs: int) -> float:
    """Return the time of a packed MLP over that of the same MLP in its usual form, measured now.

    Each time is the fastest of a few repeats, after a first call of both that warms up.
    """
    weight = next(mlp.parameters())
    packed = PackedMlp(mlp) if can_pack(mlp) else mlp
    x = torch.ones(TIMED_ROWS, inputs, dtype=weight.dtype, device=weight.device)
    with torch.inference_mode():
        _seconds(packed, x)
        _seconds(mlp, x)
        # In turns, so that a machine that is busy for a while slows both.
        times = [(_seconds(packed, x), _seconds(mlp, x)) for _ in range(REPEATS)]
    return min(time for time, _ in times) / min(time for _, time in times)


def _gelu(activation: nn.Module) -> str | None:
    """Return oneDNN's name for a GELU, None for any other activation."""
    if type(activation) is nn.GELU:
        return activation.approximate
    return {GELU: "none", GELUTanh: "tanh"}.get(type(activation))


def _seconds(mlp: Callable[[Tensor], Tensor], x: Tensor) -> float:
    begun = perf_counter()
    mlp(x)
    return perf_counter() - begun
