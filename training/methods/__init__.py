"""The methods by which a task is learned, by name."""

from __future__ import annotations

import re

from facet_vision.training.errors import TrainingError

from .adapter import Adapter
from .bias import Bias
from .full import Full
from .linear import Linear
from .lora import LoRA
from .method import Method
from .mlp import MLP
from .partial import Partial
from .sidetune import Sidetune
from .vpt import VPTDeep, VPTShallow

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (Linear, MLP, VPTShallow, VPTDeep, Bias, Adapter, LoRA, Sidetune, Partial, Full)
}


def find(name: str) -> type[Method]:
    """The method called `name`, with a number for the k of "partial-k" and "mlp-k"; raises TrainingError."""
    key = re.sub(r"-[1-9][0-9]{0,2}$", "-k", name)
    if key not in METHODS or name.endswith("-k"):
        raise TrainingError(
            f"method: expected one of {', '.join(METHODS)} (k a number from 1), found {name!r}"
        )
    return METHODS[key]


__all__ = ["METHODS", "Method", "find"]
