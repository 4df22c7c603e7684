"""Depth of prompting: what happens in front of each layer."""

from __future__ import annotations

from typing import Literal

Action = int | Literal["keep", "drop"]
"""In front of a layer: write the prompt set of this number, or keep or drop the prompts there."""


def schedule(
    layers: int, depth: int, direction: str, beyond: str, *, shared: bool = False
) -> tuple[Action, ...]:
    """Return the action in front of each layer.

    Args:
        depth: number of prompted layers, each with a set of its own.
        direction: "bottom-up" for the first layers; "top-down" for the last ones, where prompts are
            inserted in front of the patches. (The paper's released code writes the first of these
            over patches, which are lost.)
        beyond: what follows the last prompted layer of "bottom-up": the prompts "propagate" as
            ordinary tokens, or "drop".
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
    """Return for each set the first layer that uses it."""
    sets = sorted({action for action in actions if isinstance(action, int)})
    return [actions.index(number) for number in sets]


def propagates(actions: tuple[Action, ...]) -> bool:
    """Return whether a later layer reads outputs of prompt tokens.

    Then the prompts' keys and values alone do not suffice.
    """
    written = next(layer for layer, action in enumerate(actions) if isinstance(action, int))
    return "keep" in actions[written:]


def reach_the_end(actions: tuple[Action, ...]) -> bool:
    """Return whether there are prompt tokens behind the last layer."""
    return actions[-1] != "drop"
