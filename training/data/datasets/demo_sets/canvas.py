"""Drawing helpers shared by the demo sets.

Images are float RGB arrays in [0, 1], anti-aliased by signed distances.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]

SIZE = 64
"""Side of every demo image in pixels."""

_ROWS, _COLUMNS = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5, indexing="ij")


def coordinates() -> tuple[Array, Array]:
    """Return x and y of the pixel centres, each (SIZE, SIZE), in pixels."""
    return _COLUMNS, _ROWS


def rotated(
    angle: float, centre: tuple[float, float] = (SIZE / 2, SIZE / 2)
) -> tuple[Array, Array]:
    """Return pixel coordinates in a frame at `centre` (x, y), turned by `angle` radians."""
    x, y = _COLUMNS - centre[0], _ROWS - centre[1]
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def colour(rng: np.random.Generator, *, lightness: tuple[float, float] = (0.1, 0.9)) -> Array:
    """Draw a random RGB colour (3,) with its lightness in the given range."""
    rgb = colorsys.hls_to_rgb(rng.uniform(), rng.uniform(*lightness), rng.uniform(0.1, 0.9))
    return np.array(rgb)


def contrasting(rng: np.random.Generator, distance: float = 0.3) -> tuple[Array, Array]:
    """Draw two colours whose luminance differs by at least `distance`, in random order."""
    dark = colour(rng, lightness=(0.05, 0.5 - distance / 2))
    light = colour(rng, lightness=(0.5 + distance / 2, 0.95))
    dark, light = _separate(dark, light, distance)
    return (dark, light) if rng.uniform() < 0.5 else (light, dark)


def luminance(rgb: Array) -> float:
    """Return the luma of an RGB colour (3,), with the weights of ITU-R BT.601."""
    return float(rgb @ np.array([0.299, 0.587, 0.114]))


def _separate(dark: Array, light: Array, distance: float) -> tuple[Array, Array]:
    """Move the colours towards black and white until their luminance differs by `distance`."""
    missing = max(0.0, distance - (luminance(light) - luminance(dark)))
    return np.clip(dark - missing / 2, 0, 1), np.clip(light + missing / 2, 0, 1)


def smooth_noise(rng: np.random.Generator, cells: int) -> Array:
    """Return value noise (SIZE, SIZE) in [0, 1], interpolated from a grid of cells x cells."""
    grid = rng.uniform(size=(cells + 1, cells + 1))
    at = np.linspace(0, cells, SIZE, endpoint=False)
    low = at.astype(int)
    part = at - low
    part = part * part * (3 - 2 * part)  # smoothstep: no visible edges between cells
    columns = grid[:, low] * (1 - part) + grid[:, low + 1] * part
    return columns[low] * (1 - part)[:, None] + columns[low + 1] * part[:, None]


def blend(first: Array, second: Array, amount: Array) -> Array:
    """Mix two colours (3,) or images (SIZE, SIZE, 3): `amount` (SIZE, SIZE) of the second."""
    return first + (second - first) * amount[..., None]


def inside(distance: Array, softness: float = 1.0) -> Array:
    """Return the coverage in [0, 1] of a shape.

    Args:
        distance: signed distance to its edge in pixels, negative inside.
        softness: width of the transition in pixels.
    """
    return np.clip(0.5 - distance / softness, 0, 1)


def segment_distance(points: Array) -> Array:
    """Return the distance (SIZE, SIZE) of every pixel to the nearest segment.

    Args:
        points: (segments, 2, 2), start and end of each segment as (x, y).
    """
    start, end = points[:, 0, :, None, None], points[:, 1, :, None, None]
    along = end - start
    x, y = _COLUMNS - start[:, 0], _ROWS - start[:, 1]
    length = np.maximum((along**2).sum(axis=1), 1e-9)
    part = np.clip((x * along[:, 0] + y * along[:, 1]) / length, 0, 1)
    squared = (x - part * along[:, 0]) ** 2 + (y - part * along[:, 1]) ** 2
    return np.sqrt(squared.min(axis=0))


def backdrop(rng: np.random.Generator, contrast: float = 0.15) -> Array:
    """Return a background (SIZE, SIZE, 3): a colour with smooth noise and a linear gradient."""
    along, _ = rotated(rng.uniform(0, 2 * np.pi))
    shade = smooth_noise(rng, int(rng.integers(3, 12))) - 0.5 + along / SIZE * rng.uniform(0, 1)
    base = colour(rng, lightness=(0.2, 0.8))
    return base + contrast * shade[..., None] * rng.uniform(0.5, 1.0, size=3)


def finish(rng: np.random.Generator, pixels: Array, noise: float = 0.03) -> Image.Image:
    """Add camera noise and return an RGB image."""
    noisy = pixels + rng.normal(0, noise, size=pixels.shape)
    return Image.fromarray((np.clip(noisy, 0, 1) * 255).round().astype(np.uint8), "RGB")
