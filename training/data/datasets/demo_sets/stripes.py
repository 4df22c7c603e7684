"""Stripes: their period in eight steps, whatever direction, profile, colour or window they have."""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import canvas
from .canvas import Array
from .demo_set import DemoSet

STEPS = 8
RATIO = 1.22
"""Of a step's period to that of the step below."""

PERIODS = tuple(5 * RATIO**step for step in range(STEPS))
"""In pixels, the middle of each step."""

LABELS = tuple(f"period-{period:04.1f}" for period in PERIODS)


def _sine(phase: Array) -> Array:
    return 0.5 + 0.5 * np.cos(2 * np.pi * phase)


def _bands(phase: Array) -> Array:
    return np.clip(0.5 + 2.5 * np.cos(2 * np.pi * phase), 0, 1)


def _lines(phase: Array) -> Array:
    """Draw lines that are narrower than the gaps between them."""
    return np.clip(3 * np.cos(2 * np.pi * phase) - 1.5, 0, 1)


def _ramps(phase: Array) -> Array:
    """Draw bands that grow slowly and end suddenly."""
    part = phase % 1
    return np.minimum(part / 0.8, (1 - part) / 0.2)


_PROFILES = (_sine, _bands, _lines, _ramps)


def _window(rng: np.random.Generator) -> Array:
    """Return the share (SIZE, SIZE) of the stripes: everywhere, in a disc or in a broad band."""
    kind = rng.integers(3)
    if kind == 0:
        return np.ones((canvas.SIZE, canvas.SIZE))
    centre = canvas.SIZE / 2 + rng.uniform(-6, 6, size=2)
    along, across = canvas.rotated(rng.uniform(0, 2 * np.pi), (centre[0], centre[1]))
    if kind == 1:
        return canvas.inside(np.hypot(along, across) - rng.uniform(20, 28), softness=3)
    return canvas.inside(np.abs(across) - rng.uniform(14, 20), softness=3)


def draw(rng: np.random.Generator, label: int) -> Image.Image:
    # three tenths of a step off the middle: every image is well-posed
    period = PERIODS[label] * RATIO ** rng.uniform(-0.3, 0.3)
    along, across = canvas.rotated(rng.uniform(0, 2 * np.pi))
    bent = along + rng.uniform(0, 2) * np.cos(2 * np.pi * across / 90 + rng.uniform(0, 6))
    profile = _PROFILES[int(rng.integers(len(_PROFILES)))]
    share = profile(bent / period + rng.uniform())
    paper, ink = canvas.contrasting(rng, rng.uniform(0.2, 0.4))
    pixels = canvas.backdrop(rng, contrast=0.1)
    striped = canvas.blend(paper, ink, share)
    window = _window(rng)[..., None]
    light = 0.15 * (canvas.smooth_noise(rng, int(rng.integers(2, 6))) - 0.5)
    return canvas.finish(rng, pixels * (1 - window) + striped * window + light[..., None])


STRIPES = DemoSet("stripes", LABELS, "the period of stripes, in eight steps", draw)
