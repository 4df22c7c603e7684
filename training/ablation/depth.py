"""Which layers get prompts of their own, and what happens to the prompt tokens at the others."""

from __future__ import annotations

from typing import Literal

Action = int | Literal["keep", "drop"]
"""In front of a layer: write the prompt set of this number, keep what is there, or remove it."""


def schedule(
    layers: int, depth: int, direction: str, beyond: str, *, shared: bool = False
) -> tuple[Action, ...]:
    """What is done in front of each layer.

    bottom-up: the first `depth` layers have sets of their own; behind them the prompts propagate as ordinary tokens or
    are dropped. top-down: the last `depth` layers have them, inserted in front of the patches. (The released code
    writes the first of these over patches, which are lost.)

    Args:
        shared: all prompted layers use set 0.
    """
    own: tuple[Action, ...] = (0,) * depth if shared else tuple(range(depth))
    bare = layers - depth
    if direction == "top-down":
        return (*_repeated("keep", bare), *own)
    return (*own, *_repeated("keep" if beyond == "propagate" else "drop", bare))


def _repeated(action: Action, layers: int) -> tuple[Action, ...]:
    return (action,) * layers


def first_layers(actions: tuple[Action, ...]) -> list[int]:
    """For each set the first layer that uses it."""
    sets = sorted({action for action in actions if isinstance(action, int)})
    return [actions.index(number) for number in sets]


def propagates(actions: tuple[Action, ...]) -> bool:
    """Whether outputs of prompt tokens are read by a later layer: then keys and values alone do not do."""
    written = next(layer for layer, action in enumerate(actions) if isinstance(action, int))
    return "keep" in actions[written:]


def reach_the_end(actions: tuple[Action, ...]) -> bool:
    """Whether there are prompt tokens behind the last layer."""
    return actions[-1] != "drop"
