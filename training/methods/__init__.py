"""The methods by which a task is learned, by name."""

from __future__ import annotations

from training.errors import TrainingError

from .linear import Linear
from .method import Method
from .vpt import VPTDeep, VPTShallow

METHODS: dict[str, type[Method]] = {method.name: method for method in (Linear, VPTShallow, VPTDeep)}


def find(name: str) -> type[Method]:
    """The method called `name`; raises TrainingError for an unknown one."""
    if name not in METHODS:
        raise TrainingError(f"method: expected one of {', '.join(METHODS)}, found {name!r}")
    return METHODS[name]


__all__ = ["METHODS", "Method", "find"]
