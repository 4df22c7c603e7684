"""What of a checkpoint was interpolated to the model's sizes, in words."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Shape = tuple[int, ...]

POSITIONS = ("pos_embed", "visual.positional_embedding", "embed_positions.A.weight")
PATCHES = ("patch_embed.proj.weight", "visual.conv1.weight", "patchifier.proj.weight")
WINDOWS = "relative_position_bias_table"
"""How the names end of what can be interpolated."""


def resampled(shapes: Mapping[str, Shape], model: Any) -> str:
    """Say what of a checkpoint has another size than in the model; "" where nothing has.

    Args:
        shapes: of the checkpoint's tensors, by the names that its writer gave them.
        model: the timm network that was filled.
    """
    parts = [*_patches(shapes, model), *_positions(shapes, model), *_windows(shapes, model)]
    return f"{', '.join(parts)} resampled" if parts else ""


def npz_shapes(path: Path) -> dict[str, Shape]:
    """Return the shapes in a .npz file of what can be interpolated, by timm's names."""
    shapes: dict[str, Shape] = {}
    with np.load(path) as arrays:
        for name in arrays.files:
            if name.endswith("pos_embedding"):
                shapes["pos_embed"] = arrays[name].shape
            elif name.rpartition("img/")[2].removeprefix("params/") == "embedding/kernel":
                height, width, *rest = arrays[name].shape
                shapes["patch_embed.proj.weight"] = (*reversed(rest), height, width)
    return shapes


def _positions(shapes: Mapping[str, Shape], model: Any) -> Iterator[str]:
    expected = getattr(model, "pos_embed", None)
    for shape in _ending(shapes, POSITIONS):
        if expected is None or len(shape) < 2 or shape[-2] == expected.shape[-2]:
            return
        if not hasattr(model, "num_prefix_tokens"):
            return
        grid = _grid(shape[-2], model.num_prefix_tokens)
        new = tuple(model.patch_embed.grid_size)
        if grid and grid != new:
            yield f"positions {_by(grid)} -> {_by(new)}"
        return


def _patches(shapes: Mapping[str, Shape], model: Any) -> Iterator[str]:
    projection = getattr(getattr(model, "patch_embed", None), "proj", None)
    for shape in _ending(shapes, PATCHES):
        new = None if projection is None else tuple(projection.weight.shape[2:])
        if new and len(shape) == 4 and shape[2:] != new:
            yield f"patches {_by(shape[2:])} -> {_by(new)}"
        return


def _windows(shapes: Mapping[str, Shape], model: Any) -> Iterator[str]:
    own = {name: value.shape for name, value in model.state_dict().items()}
    for name, shape in shapes.items():
        if name.endswith(WINDOWS) and name in own and shape != tuple(own[name]):
            old, new = (math.isqrt(each[0]) // 2 + 1 for each in (shape, own[name]))
            yield f"windows {old}x{old} -> {new}x{new}"
            return


def _ending(shapes: Mapping[str, Shape], endings: tuple[str, ...]) -> list[Shape]:
    dotted = tuple(f".{ending}" for ending in endings)
    return [shape for name, shape in shapes.items() if f".{name}".endswith(dotted)]


def _grid(tokens: int, special: int) -> Shape | None:
    """Return the sides of a square grid, behind the class and register tokens that it may have."""
    for before in dict.fromkeys((special, 0, 1, 2)):
        side = math.isqrt(max(0, tokens - before))
        if side and side * side == tokens - before:
            return side, side
    return None


def _by(sides: Shape) -> str:
    return "x".join(map(str, sides))
