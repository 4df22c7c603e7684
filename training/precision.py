"""Precision in which training computes features.

Parameters, head and optimizer stay float32 whatever the precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from facet_vision.backbone import Backbone, has_bfloat16

from .recipe import Recipe


def resolve_precision(recipe: Recipe, backbone: Backbone) -> Recipe:
    """Return the recipe with "auto" replaced by the precision of the backbone's device.

    That is bfloat16 on a device that has it in hardware, else float32.
    """
    if recipe.precision != "auto":
        return recipe
    precision = "bfloat16" if has_bfloat16(backbone.device) else "float32"
    return recipe.model_copy(update={"precision": precision})


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Compute matrix products in `precision`: "float32" or "bfloat16".

    On a processor with instructions for bfloat16 it takes about half the time of float32.
    """
    if precision == "float32":
        yield
        return
    attention = PlainAttention() if device.type == "cpu" else nullcontext()
    with torch.autocast(device.type, torch.bfloat16), attention:
        yield


class PlainAttention(TorchFunctionMode):
    """A mode in which attention is computed by separate operations instead of the fused kernel.

    On a CPU the backward pass of torch's fused attention is several times slower in bfloat16 than
    in float32.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            func = _attention
        return func(*args, **(kwargs or {}))


def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Compute attention with the softmax in float32, which is faster as well as more exact.

    Args:
        attn_mask: added to the scores; a boolean mask is not supported.
    """
    if is_causal:
        raise NotImplementedError(
            "attention: expected one that sees all tokens, found a causal one"
        )
    scores = (q * (q.shape[-1] ** -0.5 if scale is None else scale)) @ k.mT
    if attn_mask is not None:
        scores = scores + attn_mask
    weights = scores.softmax(dim=-1, dtype=torch.float32)
    return F.dropout(weights, dropout_p, dropout_p > 0).to(v.dtype) @ v
