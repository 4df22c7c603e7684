"""Methods by which a task is learned, by name.

`method` defines the interface of all methods, `adapting` that of methods whose result a task file
can hold, made of `components`, alone or summed ("vpt-deep+lora"), `own_backbone` that of methods
with a copy of the backbone. `instant` has the methods without a gradient. `head`,
`prompt_start` and `dropout` serve them; every other module is one method.
"""

from __future__ import annotations

import re

from facet_vision.training.errors import TrainingError

from .adapting import learned_alone, sum_of
from .all_biases import AllBiases
from .components import COMPONENTS
from .full import Full
from .instant import DiscriminantAnalysis, Instant, NearestClassMean, NearestNeighbours
from .linear import Linear
from .method import Method
from .mlp import MLP
from .partial import Partial
from .sidetune import Sidetune

_HEADS: tuple[type[Method], ...] = (Linear, MLP)
_INSTANT: tuple[type[Method], ...] = (NearestClassMean, NearestNeighbours, DiscriminantAnalysis)
_OWN_BACKBONE: tuple[type[Method], ...] = (AllBiases, Sidetune, Partial, Full)
METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (*_HEADS, *map(learned_alone, COMPONENTS.values()), *_INSTANT, *_OWN_BACKBONE)
}


def find(name: str) -> type[Method]:
    """Return the method called `name`.

    A number replaces the k of "partial-k" and "mlp-k". Names of adapting methods that are joined by
    "+" make a method that learns them together.

    Raises:
        TrainingError: there is none of this name, or the names cannot be joined.
    """
    names = name.split("+")
    if len(names) > 1 and all(each in COMPONENTS for each in names):
        return sum_of(tuple(COMPONENTS[each] for each in names))
    key = re.sub(r"-[1-9][0-9]{0,2}$", "-k", name)
    if key not in METHODS or name.endswith("-k"):
        raise TrainingError(
            f"method: expected one of {', '.join(METHODS)} (k a number from 1), or some of "
            f"{', '.join(COMPONENTS)} joined by +, found {name!r}"
        )
    return METHODS[key]


__all__ = ["METHODS", "Instant", "Method", "find"]
