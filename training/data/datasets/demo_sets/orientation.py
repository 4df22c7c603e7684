"""Orientation: the angle of a long object in eight bins.

The object, or pair of objects, is drawn on a textured ground.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet

BINS = 8
# A line looks the same after half a turn; the angle is counted anticlockwise from the horizontal.
LABELS = tuple(f"{180 * index / BINS:05.1f}-degrees" for index in range(BINS))


def _rod(along: Array, across: Array, length: float, width: float) -> Array:
    return np.hypot(np.maximum(np.abs(along) - length, 0), across) - width


def _ellipse(along: Array, across: Array, length: float, width: float) -> Array:
    reach = np.hypot(along / (length + width), across / (1.3 * width))
    return (reach - 1) * 1.3 * width


def _spindle(along: Array, across: Array, length: float, width: float) -> Array:
    """Draw a shape that is pointed at both ends."""
    return np.abs(across) - 1.6 * width * (1 - np.abs(along) / (length + width))


def _pair(along: Array, across: Array, length: float, width: float) -> Array:
    """Draw two discs that suggest one line."""
    return np.hypot(np.abs(along) - length, across) - 1.5 * width


def _dashes(along: Array, across: Array, length: float, width: float) -> Array:
    """Draw three squares in a row."""
    step = np.abs(np.abs(along) - length * 0.5 * (np.abs(along) > length * 0.45) * 2)
    return np.maximum(step, np.abs(across)) - 1.2 * width


_SHAPES = (_rod, _ellipse, _spindle, _pair, _dashes)


def _ground(rng: np.random.Generator, paper: Array) -> Array:
    """Draw noise and stripes, whose direction is independent of the object's."""
    along, _ = canvas.rotated(rng.uniform(0, np.pi))
    stripes = np.sin(2 * np.pi * along / rng.uniform(5, 12)) * rng.uniform(0, 0.09)
    cloud = (canvas.smooth_noise(rng, int(rng.integers(4, 20))) - 0.5) * 0.25
    return paper + (stripes + cloud)[..., None]


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    paper, ink = canvas.contrasting(rng, 0.3)
    # the bins are 22.5 degrees wide; 2.5 degrees off their borders every image is well-posed
    degrees = 180 * label / BINS + rng.uniform(-8.75, 8.75)
    centre = canvas.SIZE / 2 + rng.uniform(-9, 9, size=2)
    along, across = canvas.rotated(-np.radians(degrees), (centre[0], centre[1]))
    shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
    distance = shape(along, across, rng.uniform(10, 17), rng.uniform(1.8, 4))
    return canvas.finish(
        rng, canvas.blend(_ground(rng, paper), ink, canvas.inside(distance)), noise=0.05
    )


ORIENTATION = DemoSet(
    "orientation", LABELS, "the angle of a long object, in steps of 22.5 degrees", draw
)
