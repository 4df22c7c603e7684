"""Flat shapes by their signed distances.

Each function returns the distance (SIZE, SIZE) in pixels to the outline, negative inside, of a
shape around the origin of the coordinates x and y that reaches about `radius` from it. Distances
are exact near the outline only, which is all that anti-aliasing reads.
"""

from __future__ import annotations

import numpy as np

from .canvas import Array


def disc(x: Array, y: Array, radius: float) -> Array:
    return np.hypot(x, y) - radius


def ring(x: Array, y: Array, radius: float) -> Array:
    return np.abs(np.hypot(x, y) - 0.75 * radius) - 0.25 * radius


def cross(x: Array, y: Array, radius: float) -> Array:
    arms = np.minimum(np.abs(x), np.abs(y)) - 0.25 * radius
    return np.maximum(arms, np.maximum(np.abs(x), np.abs(y)) - radius)


def square(x: Array, y: Array, radius: float) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - 0.8 * radius


def triangle(x: Array, y: Array, radius: float) -> Array:
    return np.maximum(np.abs(x) * 0.866 + y * 0.5, -y) - 0.5 * radius


def bar(x: Array, y: Array, radius: float) -> Array:
    return np.maximum(np.abs(x) - radius, np.abs(y) - 0.35 * radius)


def star(x: Array, y: Array, radius: float) -> Array:
    """Draw five rounded points."""
    return np.hypot(x, y) - radius * (0.72 + 0.28 * np.cos(5 * np.arctan2(y, x)))


def crescent(x: Array, y: Array, radius: float) -> Array:
    return np.maximum(disc(x, y, radius), -disc(x - 0.55 * radius, y, 0.8 * radius))


def half_disc(x: Array, y: Array, radius: float) -> Array:
    return np.maximum(disc(x, y + 0.4 * radius, radius), -y - 0.4 * radius)
