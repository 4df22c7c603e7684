"""Count: one to eight shaded solids, nearly without overlap.

The solids differ in kind, size and colour.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet

LABELS = tuple(str(number) for number in range(1, 9))


def _spread(rng: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Draw centres (count, 2) and radii (count,) in pixels, with smaller radii until all fit."""
    largest = rng.uniform(6, 11)
    while True:
        radii = rng.uniform(0.6, 1.0, size=count) * largest
        centres = rng.uniform(1, canvas.SIZE - 1, size=(400, 2))
        placed: list[Array] = []
        for centre in centres:
            radius = radii[len(placed)]
            if _is_free(centre, radius, placed, radii):
                placed.append(centre)
            if len(placed) == count:
                return np.array(placed), radii
        largest *= 0.9  # no room for all: draw anew with smaller ones


def _is_free(centre: Array, radius: float, placed: list[Array], radii: Array) -> bool:
    """Return whether a solid is inside the frame and hardly overlaps an earlier one."""
    if centre.min() < radius or centre.max() > canvas.SIZE - radius:
        return False
    # `radii` also has those of solids that are not placed yet
    earlier = zip(placed, radii, strict=False)
    return all(np.hypot(*(centre - other)) > 0.95 * (radius + size) for other, size in earlier)


def _sphere(x: Array, y: Array, radius: float, _rng: np.random.Generator) -> tuple[Array, Array]:
    squared = (x**2 + y**2) / radius**2
    height = np.sqrt(np.clip(1 - squared, 0, 1))
    light = np.clip((-0.5 * x - 0.6 * y) / radius + 0.75 * height, 0, 1)
    return np.sqrt(squared) * radius - radius, 0.35 + 0.6 * light + 0.4 * light**12


def _cube(x: Array, y: Array, radius: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw a cube seen from above a corner: a hexagon of three faces of different brightness."""
    turn = rng.uniform(-0.25, 0.25)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    edge = np.maximum(np.abs(x), np.abs(x) * 0.5 + np.abs(y) * 0.866) - radius * 0.88
    top = y < -np.abs(x) * 0.577
    return edge, np.where(top, 1.1, np.where(x < 0, 0.75, 0.45))


def _cylinder(x: Array, y: Array, radius: float, _rng: np.random.Generator) -> tuple[Array, Array]:
    half, lid, reach = radius * 0.7, radius * 0.28, radius * 0.7
    bulge = lid * np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1))
    body = np.maximum(np.abs(x) - half, np.abs(y) - reach - bulge)
    on_lid = np.abs(y + reach) < bulge
    return body, np.where(on_lid, 1.1, _round_side(x / half))


def _round_side(across: Array) -> Array:
    """Return the brightness of an upright round wall, lit from the left; `across` is in [-1, 1]."""
    return 0.45 + 0.6 * np.clip(1 - np.abs(across + 0.35), 0, 1)


def _cone(x: Array, y: Array, radius: float, _rng: np.random.Generator) -> tuple[Array, Array]:
    half = radius * 0.85 * np.clip((y / radius + 1) / 1.7, 1e-3, 1)
    floor = 0.7 * radius + 0.25 * radius * np.sqrt(np.clip(1 - (x / (0.85 * radius)) ** 2, 0, 1))
    edge = np.maximum(np.abs(x) - half, np.maximum(y - floor, -y - radius))
    return edge, _round_side(x / half)


_SOLIDS = (_sphere, _cube, _cylinder, _cone)
"""Each returns the signed distance to its outline in pixels and the light on its surface."""


def _paint(rng: np.random.Generator, pixels: Array, centre: Array, radius: float) -> Array:
    """Draw one solid with its soft shadow on the ground."""
    columns, rows = canvas.coordinates()
    x, y = columns - centre[0], rows - centre[1]
    shadow = np.exp(
        -(((x - 0.4 * radius) / radius) ** 2 + ((y - 0.7 * radius) / (0.6 * radius)) ** 2)
    )
    solid = _SOLIDS[int(rng.integers(len(_SOLIDS)))]
    distance, light = solid(x, y, radius, rng)
    surface = canvas.colour(rng, lightness=(0.3, 0.8)) * light[..., None]
    return canvas.blend(pixels * (1 - 0.35 * shadow[..., None]), surface, canvas.inside(distance))


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    pixels = canvas.backdrop(rng, contrast=0.2)
    centres, radii = _spread(rng, label + 1)
    for index in np.argsort(centres[:, 1]):  # from back to front
        pixels = _paint(rng, pixels, centres[index], float(radii[index]))
    return canvas.finish(rng, pixels)


COUNT = DemoSet("count", LABELS, "how many shaded solids there are, one to eight", draw)
