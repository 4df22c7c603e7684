"""Methods by which a task is learned, by name.

`method` defines the interface of all methods, `own_backbone` that of methods with a copy of the
backbone; `instant` has the methods without a gradient; every other module but `dropout` is one
method.
"""

from __future__ import annotations

import re

from facet_vision.training.errors import TrainingError

from .adapter import Adapter
from .bias import Bias
from .full import Full
from .instant import DiscriminantAnalysis, Instant, NearestClassMean, NearestNeighbours
from .linear import Linear
from .lora import LoRA
from .method import Method
from .mlp import MLP
from .partial import Partial
from .sidetune import Sidetune
from .vpt import VPTDeep, VPTShallow

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        *(Linear, MLP, VPTShallow, VPTDeep, NearestClassMean, NearestNeighbours),
        *(DiscriminantAnalysis, Bias, Adapter, LoRA, Sidetune, Partial, Full),
    )
}


def find(name: str) -> type[Method]:
    """Return the method called `name`, where a number replaces the k of "partial-k" and "mlp-k".

    Raises:
        TrainingError: there is none of this name.
    """
    key = re.sub(r"-[1-9][0-9]{0,2}$", "-k", name)
    if key not in METHODS or name.endswith("-k"):
        raise TrainingError(
            f"method: expected one of {', '.join(METHODS)} (k a number from 1), found {name!r}"
        )
    return METHODS[key]


__all__ = ["METHODS", "Instant", "Method", "find"]
