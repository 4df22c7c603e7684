"""The fastest matrix product of the machine, the bound that forwards are compared with."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

SIDES = {"cpu": 1536, "cuda": 8192}
"""Side of the square product: large enough for the plateau, small enough to repeat."""

LEAST_SECONDS = 0.05
"""A shorter measurement would be one of the clock and of kernel launches."""


class MatrixProduct:
    """The product (rows, inputs) x (inputs, outputs), repeated until it lasts LEAST_SECONDS."""

    def __init__(
        self, rows: int, inputs: int, outputs: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.name = f"matrix product {rows} x {inputs} x {outputs}"
        self._x = torch.randn(rows, inputs, device=device, dtype=dtype)
        self._weight = torch.randn(outputs, inputs, device=device, dtype=dtype)
        self._repeats = max(1, round(LEAST_SECONDS / self._once()))
        self.flops = 2 * rows * inputs * outputs * self._repeats

    @torch.inference_mode()
    def __call__(self) -> None:
        for _ in range(self._repeats):
            F.linear(self._x, self._weight)

    def _once(self) -> float:
        self._repeats = 1
        self()
        start = perf_counter()
        self()
        if self._x.is_cuda:
            torch.cuda.synchronize()
        return perf_counter() - start


def products(rows: int, dim: int, device: torch.device, dtype: torch.dtype) -> list[MatrixProduct]:
    """Return the candidates for the peak: a square, and a transformer's widest layer.

    That layer is (rows, dim) x (dim, 4 dim).
    """
    build = partial(MatrixProduct, device=device, dtype=dtype)
    side = SIDES.get(device.type, SIDES["cuda"])
    return [build(side, side, side), build(rows, dim, 4 * dim)]


def flops(call: Callable[[], Tensor]) -> int:
    """Count the floating-point operations of a call's products, convolutions and attentions."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())
