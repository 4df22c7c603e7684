"""Overlap: the shape, of eight, that lies on top of two others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import canvas, shapes
from .canvas import Array
from .demo_set import DemoSet

Shape = Callable[[Array, Array, float], Array]

Area = NDArray[np.bool_]
"""The pixels (SIZE, SIZE) of a shape."""

SHAPES: dict[str, Shape] = {
    "bar": shapes.bar,
    "crescent": shapes.crescent,
    "cross": shapes.cross,
    "disc": shapes.disc,
    "half-disc": shapes.half_disc,
    "square": shapes.square,
    "star": shapes.star,
    "triangle": shapes.triangle,
}
LABELS = tuple(SHAPES)

LEAST_COVERED, MOST_COVERED = 0.1, 0.5
"""Share of a lower shape that the top one covers: enough to see the order, and both shapes."""

LEAST_SEEN = 0.35
"""Share of a lower shape that nothing covers."""


def _placed(rng: np.random.Generator, shape: Shape, centre: Array) -> Array:
    """Return the signed distance to a shape of random size and angle."""
    x, y = canvas.rotated(rng.uniform(0, 2 * np.pi), (centre[0], centre[1]))
    return shape(x, y, rng.uniform(12, 16))


def pile_of(rng: np.random.Generator, kinds: list[Shape]) -> list[Array]:
    """Draw signed distances of shapes from bottom to top; the last overlaps all others.

    They lie around the middle, so that not the place but the order tells which is on top.
    """
    while True:
        centre = canvas.SIZE / 2 + rng.uniform(-4, 4, size=2)
        angles = rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3 + rng.normal(0, 0.2, 3)
        away = rng.uniform(7, 11, size=3)
        places = centre + (away * np.stack([np.cos(angles), np.sin(angles)])).T
        pile = [_placed(rng, *each) for each in zip(kinds, places, strict=True)]
        if _is_readable([distance < 0 for distance in pile]):
            return pile


def _is_readable(areas: list[Area]) -> bool:
    """Return whether the top one's order to each other shows, and enough of every shape."""
    low, middle, top = areas
    if _share(low, low & ~middle & ~top) < LEAST_SEEN:
        return False
    covered = [_share(low, low & top), _share(middle, middle & top)]
    return all(LEAST_COVERED < share < MOST_COVERED for share in covered)


def _share(area: Area, part: Area) -> float:
    return float(part.sum() / max(1, area.sum()))


def _colours(rng: np.random.Generator, paper: Array, count: int) -> list[Array]:
    """Draw colours that differ in lightness from the paper and from each other."""
    while True:
        colours = [canvas.colour(rng) for _ in range(count)]
        levels = sorted(canvas.luminance(each) for each in (*colours, paper))
        if min(np.diff(levels)) > 0.1:
            return colours


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    pixels = canvas.backdrop(rng, contrast=0.1)
    others = rng.permutation([index for index in range(len(LABELS)) if index != label])[:2]
    pile = pile_of(rng, [SHAPES[LABELS[index]] for index in (*others, label)])
    for distance, colour in zip(pile, _colours(rng, pixels.mean(axis=(0, 1)), 3), strict=True):
        surface = colour + 0.1 * (canvas.smooth_noise(rng, 4) - 0.5)[..., None]
        pixels = canvas.blend(pixels, surface, canvas.inside(distance))
    return canvas.finish(rng, pixels)


OVERLAP = DemoSet("overlap", LABELS, "the shape, of eight, that lies on top of two others", draw)
