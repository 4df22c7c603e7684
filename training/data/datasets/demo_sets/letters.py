"""Letters: sixteen capitals drawn as strokes on a cluttered ground.

Styles, sizes and slants vary.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet

Points = list[tuple[float, float]]


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, stop: float) -> Points:
    """Return points of an ellipse's arc, angles in degrees clockwise from the right (y down)."""
    angles = np.radians(np.linspace(start, stop, 9))
    return [(cx + rx * float(np.cos(a)), cy + ry * float(np.sin(a))) for a in angles]


_STEM: Points = [(0, 0), (0, 1)]
_TOP_BOWL: Points = [(0, 0), (0.5, 0), *_arc(0.5, 0.25, 0.45, 0.25, -90, 90), (0, 0.5)]
_LOW_BOWL: Points = [(0, 0.5), (0.5, 0.5), *_arc(0.5, 0.75, 0.5, 0.25, -90, 90), (0, 1)]

# Strokes as polylines in a box of 1 x 1, y pointing down.
STROKES: dict[str, list[Points]] = {
    "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.62), (0.8, 0.62)]],
    "B": [_STEM, _TOP_BOWL, _LOW_BOWL],
    "C": [_arc(0.55, 0.5, 0.55, 0.5, -50, -310)],
    "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.5), (0.75, 0.5)]],
    "F": [[(1, 0), (0, 0), (0, 1)], [(0, 0.5), (0.75, 0.5)]],
    "H": [_STEM, [(1, 0), (1, 1)], [(0, 0.5), (1, 0.5)]],
    "K": [_STEM, [(0.95, 0), (0, 0.55)], [(0.3, 0.38), (1, 1)]],
    "L": [[(0, 0), (0, 1), (0.95, 1)]],
    "M": [[(0, 1), (0, 0), (0.5, 0.65), (1, 0), (1, 1)]],
    "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
    "R": [_STEM, _TOP_BOWL, [(0.4, 0.5), (1, 1)]],
    "S": [[*_arc(0.5, 0.25, 0.45, 0.25, -30, -270), *_arc(0.5, 0.75, 0.5, 0.25, -90, 150)]],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "V": [[(0, 0), (0.5, 1), (1, 0)]],
    "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
    "Z": [[(0, 0), (1, 0), (0, 1), (1, 1)]],
}
LABELS = tuple(STROKES)


def _segments(letter: str) -> Array:
    """Return the letter's strokes as segments (count, 2, 2), centred on the origin."""
    pairs = [pair for stroke in STROKES[letter] for pair in pairwise(stroke)]
    return np.array(pairs) - 0.5


def _placed(rng: np.random.Generator, segments: Array) -> Array:
    """Give the segments a random size, aspect, slant, rotation and position, in pixels.

    Half of the letters also have unsteady corners, for a hand-drawn look.
    """
    height = rng.uniform(24, 44)
    width = height * rng.uniform(0.55, 0.95)
    slant, angle = rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.25)
    scale = np.array([[width, 0], [-slant * height, height]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    wobble = rng.normal(0, rng.choice([0, 0.025]), size=segments.shape)
    centre = canvas.SIZE / 2 + rng.uniform(-1, 1, size=2) * (60 - height) / 2
    placed: Array = (segments + wobble) @ scale @ turn + centre
    return placed


def _ink(rng: np.random.Generator, distance: Array) -> Array:
    """Return the coverage of the strokes in one of four styles: thin, bold, hollow or dotted."""
    style = rng.integers(4)
    if style == 0:
        return canvas.inside(distance - rng.uniform(0.9, 1.5))
    if style == 1:
        return canvas.inside(distance - rng.uniform(2.2, 3.4))
    if style == 2:
        return canvas.inside(np.abs(distance - rng.uniform(2.5, 3.2)) - 0.7)
    x, y = canvas.rotated(np.pi / 4)
    period = rng.uniform(3, 4.5)
    from_centre = np.maximum(np.abs(x % period - period / 2), np.abs(y % period - period / 2))
    gaps = from_centre - period * 0.36
    return canvas.inside(np.maximum(distance - rng.uniform(2.2, 3.2), gaps))


def _clutter(rng: np.random.Generator, ground: Array) -> Array:
    """Add short scratches that belong to no letter."""
    for _ in range(int(rng.integers(2, 7))):
        start = rng.uniform(0, canvas.SIZE, size=2)
        end = start + rng.normal(0, 9, size=2)
        distance = canvas.segment_distance(np.array([[start, end]]))
        scratch = canvas.inside(distance - rng.uniform(0.5, 1.5))
        ground = canvas.blend(ground, canvas.colour(rng), scratch * rng.uniform(0.3, 0.7))
    return ground


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    paper, ink = canvas.contrasting(rng, 0.4)
    ground = paper + 0.15 * (canvas.smooth_noise(rng, int(rng.integers(2, 14))) - 0.5)[..., None]
    ground = _clutter(rng, ground)
    distance = canvas.segment_distance(_placed(rng, _segments(LABELS[label])))
    return canvas.finish(rng, canvas.blend(ground, ink, _ink(rng, distance)))


LETTERS = DemoSet(
    "letters", LABELS, "sixteen capital letters in four styles on cluttered ground", draw
)
