"""Position: the column, of eight, of a ring among other shapes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet
from .shapes import cross, disc, ring, square, triangle

COLUMNS = 8
LABELS = tuple(f"column-{number}" for number in range(1, COLUMNS + 1))
MARGIN_PIXELS = 4.0
"""Width, on the left and on the right, without any ring's centre."""


_DISTRACTORS = (disc, cross, square, triangle)


def _centre(rng: np.random.Generator, label: int) -> Array:
    """Draw a point of the column, at least an eighth of its width off its borders."""
    width = (canvas.SIZE - 2 * MARGIN_PIXELS) / COLUMNS
    x = MARGIN_PIXELS + width * (label + rng.uniform(0.125, 0.875))
    return np.array([x, rng.uniform(8, canvas.SIZE - 8)])


def _elsewhere(rng: np.random.Generator, taken: list[Array]) -> Array:
    """Draw a point at a distance from those taken."""
    while True:
        point = rng.uniform(6, canvas.SIZE - 6, size=2)
        if all(np.hypot(*(point - other)) > 17 for other in taken):
            return point


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    paper, ink = canvas.contrasting(rng, 0.35)
    pixels = paper + 0.25 * (canvas.smooth_noise(rng, int(rng.integers(3, 16))) - 0.5)[..., None]
    centres = [_centre(rng, label)]
    shapes = [ring]
    for _ in range(int(rng.integers(1, 3))):
        centres.append(_elsewhere(rng, centres))
        shapes.append(_DISTRACTORS[int(rng.integers(len(_DISTRACTORS)))])
    for shape, centre in zip(shapes, centres, strict=True):
        x, y = canvas.rotated(rng.uniform(0, 2 * np.pi), (centre[0], centre[1]))
        distance = shape(x, y, rng.uniform(5.5, 8))
        pixels = canvas.blend(pixels, ink + rng.normal(0, 0.08, size=3), canvas.inside(distance))
    return canvas.finish(rng, pixels)


POSITION = DemoSet("position", LABELS, "the column, of eight, in which the ring is", draw)
