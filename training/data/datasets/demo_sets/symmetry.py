"""Symmetry: under which mirrors and turns a pattern of small marks stays the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet

Matrix = tuple[tuple[int, int], tuple[int, int]]

_SAME: Matrix = ((1, 0), (0, 1))
_ACROSS: Matrix = ((-1, 0), (0, 1))
_DOWN: Matrix = ((1, 0), (0, -1))
_HALF: Matrix = ((-1, 0), (0, -1))
_DIAGONAL: Matrix = ((0, 1), (1, 0))
_OTHER_DIAGONAL: Matrix = ((0, -1), (-1, 0))
_QUARTER: Matrix = ((0, -1), (1, 0))
_QUARTER_BACK: Matrix = ((0, 1), (-1, 0))

GROUPS: dict[str, tuple[Matrix, ...]] = {
    "none": (_SAME,),
    "left-right": (_SAME, _ACROSS),
    "up-down": (_SAME, _DOWN),
    "diagonal": (_SAME, _DIAGONAL),
    "half-turn": (_SAME, _HALF),
    "both-mirrors": (_SAME, _ACROSS, _DOWN, _HALF),
    "quarter-turn": (_SAME, _QUARTER, _HALF, _QUARTER_BACK),
    "square": (
        *(_SAME, _ACROSS, _DOWN, _HALF),
        *(_DIAGONAL, _OTHER_DIAGONAL, _QUARTER, _QUARTER_BACK),
    ),
}
"""All transforms (of x, y around the centre) that leave a label's patterns as they are."""

LABELS = tuple(GROUPS)


def _mark(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Return the signed distance to a rod with a knob at one end, which is like no mirror of it."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(4, 7)
    radius = rng.uniform(5, 24)
    towards = rng.uniform(0, 2 * np.pi)
    start = radius * np.array([np.cos(towards), np.sin(towards)])
    dx, dy = x - start[0], y - start[1]
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    rod = np.hypot(along - np.clip(along, 0, length), across) - rng.uniform(0.9, 1.5)
    return np.minimum(rod, np.hypot(dx, dy) - rng.uniform(2.2, 3.2))


def pattern(
    rng: np.random.Generator, group: tuple[Matrix, ...], x: Array, y: Array
) -> Iterator[Array]:
    """Yield signed distances to marks, each together with all its images under the group.

    Args:
        x, y: pixel coordinates around the centre of the symmetry.
    """
    # about as many marks are seen whatever the group
    for _ in range(max(2, round(rng.uniform(9, 14) / len(group)))):
        state = rng.bit_generator.state
        distances = []
        for (a, b), (c, d) in group:
            rng.bit_generator.state = state  # the same mark
            distances.append(_mark(rng, a * x + b * y, c * x + d * y))
        yield np.min(distances, axis=0)


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    pixels = canvas.backdrop(rng, contrast=0.12)
    paper = pixels.mean(axis=(0, 1))
    centre = canvas.SIZE / 2 + rng.uniform(-3, 3, size=2)
    x, y = canvas.rotated(np.radians(rng.uniform(-3, 3)), (centre[0], centre[1]))
    for distance in pattern(rng, GROUPS[LABELS[label]], x, y):
        pixels = canvas.blend(pixels, _ink(rng, paper), canvas.inside(distance))
    return canvas.finish(rng, pixels)


def _ink(rng: np.random.Generator, paper: Array) -> Array:
    """Draw a colour that stands out from the paper."""
    while True:
        ink = canvas.colour(rng)
        if abs(canvas.luminance(ink) - canvas.luminance(paper)) > 0.25:
            return ink


SYMMETRY = DemoSet(
    "symmetry", LABELS, "the mirrors and turns under which a pattern stays the same", draw
)
