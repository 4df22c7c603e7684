"""Textures: ten families of surface in random colours, scales and directions.

A family is a function of the generator and the turned coordinates (x, y), in units of its pattern,
that returns the share (SIZE, SIZE) of the second colour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet

Family = Callable[[np.random.Generator, Array, Array], Array]


def _line(distance: Array, width: float, softness: float = 0.12) -> Array:
    """Return the coverage of a line of the given half width, all in units of the pattern."""
    return np.clip((width - distance) / softness + 0.5, 0, 1)


def _sites(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Return the distances to the two nearest of random sites, and a random number of the nearest.

    Every unit square has one site; those of the surrounding 3 x 3 squares are searched.
    """
    jitter = rng.uniform(size=(3, 64, 64))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    first, second, number = np.full_like(x, 9), np.full_like(x, 9), np.zeros_like(x)
    for across in (-1, 0, 1):
        for down in (-1, 0, 1):
            at_column, at_row = column + across, row + down
            dx, dy, own = jitter[:, at_row % 64, at_column % 64]
            distance = np.hypot(at_column + dx - x, at_row + dy - y)
            second = np.minimum(second, np.maximum(first, distance))
            number = np.where(distance < first, own, number)
            first = np.minimum(first, distance)
    return first, second, number


def _cells(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw patches of a flat shade each: a Voronoi mosaic."""
    return _sites(rng, x, y)[2]


def _crackle(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw thin cracks between irregular plates."""
    wobble = canvas.smooth_noise(rng, 8) - 0.5
    first, second, _ = _sites(rng, x + wobble, y + wobble)
    return _line(second - first, rng.uniform(0.06, 0.12))


def _brick(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw bricks in running bond: every second course is moved by half a brick."""
    course = np.floor(y)
    along = (x / 2 + 0.5 * (course % 2)) % 1
    joint = np.minimum(np.minimum(along, 1 - along) * 2, np.minimum(y % 1, 1 - y % 1))
    return _line(joint, rng.uniform(0.06, 0.12))


def _weave(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw a basket weave: bands that pass over and under each other."""
    over = (np.floor(x) + np.floor(y)) % 2 < 1
    across = np.where(over, y % 1, x % 1) - 0.5
    along = np.where(over, x % 1, y % 1) - 0.5
    shade = (1 - 3.2 * across**2) * (1 - 1.2 * along**2)
    return np.clip(shade + np.where(over, 0.1, -0.1) * rng.uniform(0, 1), 0, 1)


def _hexagons(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw a honeycomb of walls."""
    step = np.array([1.0, np.sqrt(3)])
    # two interleaved rectangular grids; the centre of a hexagon is the nearer of their points
    offsets = []
    for shift in (0.0, 0.5):
        offsets.append([(v / s + shift) % 1 * s - s / 2 for v, s in zip((x, y), step, strict=True)])
    (ax, ay), (bx, by) = offsets
    nearer = ax**2 + ay**2 < bx**2 + by**2
    px, py = np.abs(np.where(nearer, ax, bx)), np.abs(np.where(nearer, ay, by))
    wall = 0.5 - np.maximum(px, px * 0.5 + py * 0.866)
    return _line(wall, rng.uniform(0.05, 0.12))


def _wood(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw year rings around a distant, stretched centre."""
    centre = rng.uniform(-4, 4, size=2)
    radius = np.hypot((x - centre[0]) / rng.uniform(2, 4), y - centre[1])
    phase = (radius * 1.6 + 0.8 * canvas.smooth_noise(rng, 3)) % 1
    return phase ** rng.uniform(1.0, 2.0)


def _scales(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw roof tiles: rows of discs, each over the row behind it."""
    share = np.zeros_like(x)
    row = np.floor(y * 2)
    shading = rng.uniform(2.5, 3.5)
    for behind in (1, 0, -1):
        centre_row = row + behind
        along = (x + 0.5 * (centre_row % 2)) % 1 - 0.5
        radius = np.hypot(along, y - centre_row / 2) / 0.58
        share = np.where(radius < 1, radius**shading, share)
    return share


def _labyrinth(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw winding bands of even width: noise of one wavelength, cut at its mean."""
    angles = rng.uniform(0, np.pi, size=24)
    phases = rng.uniform(0, 2 * np.pi, size=24)
    waves = x[..., None] * np.cos(angles) + y[..., None] * np.sin(angles)
    field = np.cos(2 * np.pi * waves * 0.8 + phases).sum(axis=-1)
    return np.clip(field / 3 + 0.5, 0, 1)


def _zigzag(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw stripes that are folded repeatedly."""
    fold = np.abs((x * 0.7) % 2 - 1) * rng.uniform(1.0, 1.8)
    stripe = np.abs((y + fold) % 1 - 0.5)
    return _line(stripe, rng.uniform(0.18, 0.3))


def _arcs(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Draw Truchet tiles: two quarter circles in every square, turned at random."""
    turned = rng.uniform(size=(64, 64)) < 0.5
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x % 1, y % 1
    u = np.where(turned[row % 64, column % 64], 1 - u, u)
    near = np.minimum(np.abs(np.hypot(u, v) - 0.5), np.abs(np.hypot(1 - u, 1 - v) - 0.5))
    return _line(near, rng.uniform(0.08, 0.15))


FAMILIES: dict[str, Family] = {
    "arcs": _arcs,
    "brick": _brick,
    "cells": _cells,
    "crackle": _crackle,
    "hexagons": _hexagons,
    "labyrinth": _labyrinth,
    "scales": _scales,
    "weave": _weave,
    "wood": _wood,
    "zigzag": _zigzag,
}
LABELS = tuple(FAMILIES)


def _warped(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return turned, scaled and slightly bent coordinates, in units of the pattern."""
    x, y = canvas.rotated(rng.uniform(0, 2 * np.pi))
    unit = rng.uniform(8, 16)
    bend = rng.uniform(0, 6)
    x = x + bend * (canvas.smooth_noise(rng, 2) - 0.5)
    y = y + bend * (canvas.smooth_noise(rng, 2) - 0.5)
    return x / unit + rng.uniform(0, 50), y / unit + rng.uniform(0, 50)


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    first, second = canvas.contrasting(rng, rng.uniform(0.2, 0.5))
    x, y = _warped(rng)
    pixels = canvas.blend(first, second, FAMILIES[LABELS[label]](rng, x, y))
    along, _ = canvas.rotated(rng.uniform(0, 2 * np.pi))
    light = 1 + rng.uniform(0, 0.4) * along / canvas.SIZE
    stains = 0.25 * (canvas.smooth_noise(rng, int(rng.integers(3, 9))) - 0.5)
    return canvas.finish(rng, pixels * light[..., None] + stains[..., None], noise=0.06)


TEXTURES = DemoSet("textures", LABELS, "ten families of surface texture", draw)
