"""Procedural textures for backgrounds and surfaces, in thirteen families.

Each is a function to scalar fields (count, size, size) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from .random import uniform

Field = Callable[[int, int, torch.Generator], torch.Tensor]
"""From count, size and generator to fields."""


def _plane(count: int, size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return coordinates in [-1, 1] under a random rotation and shift, each (count, size, size)."""
    axis = torch.linspace(-1.0, 1.0, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle = uniform((count, 1, 1), -torch.pi, torch.pi, generator)
    shift = uniform((2, count, 1, 1), -0.5, 0.5, generator)
    u = torch.cos(angle) * x - torch.sin(angle) * y + shift[0]
    v = torch.sin(angle) * x + torch.cos(angle) * y + shift[1]
    return u, v


def _column(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return uniform((count, 1, 1), low, high, generator)


def _soft_step(field: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Map a field to zero below 0 and one above, with an edge of random sharpness."""
    return torch.sigmoid(field * _column(len(field), 3.0, 25.0, generator))


def _rescale(field: torch.Tensor) -> torch.Tensor:
    low, high = field.amin(dim=(1, 2), keepdim=True), field.amax(dim=(1, 2), keepdim=True)
    return (field - low) / (high - low).clamp(min=1e-6)


def _noise(count: int, size: int, cells: int, generator: torch.Generator) -> torch.Tensor:
    """Draw smooth noise with that many cells per side."""
    coarse = torch.randn(count, 1, cells, cells, generator=generator)
    shape = (size, size)
    fine = functional.interpolate(coarse, size=shape, mode="bicubic", align_corners=True)
    return fine[:, 0]


def octaves(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw cloudy noise over several scales."""
    fall_off = _column(count, 0.45, 0.8, generator)
    field = torch.zeros(count, size, size)
    for level, cells in enumerate((4, 7, 13, 25)):
        field += fall_off**level * _noise(count, size, cells, generator)
    return _rescale(field)


def gradient(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw a linear or a radial ramp."""
    u, v = _plane(count, size, generator)
    radial = torch.rand(count, 1, 1, generator=generator) < 0.5
    return _rescale(torch.where(radial, torch.hypot(u, v), u))


def stripes(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw parallel bands."""
    u, _ = _plane(count, size, generator)
    wave = torch.sin(u * torch.pi * _column(count, 2.0, 8.0, generator))
    return _soft_step(wave + _column(count, -0.6, 0.6, generator), generator)


def checkers(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw a chessboard under rotation."""
    u, v = _plane(count, size, generator)
    frequency = torch.pi * _column(count, 1.5, 5.0, generator)
    aspect = _column(count, 0.7, 1.4, generator)
    return _soft_step(2 * torch.sin(u * frequency) * torch.sin(v * frequency * aspect), generator)


def dots(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw discs on a square lattice."""
    u, v = _plane(count, size, generator)
    frequency = _column(count, 1.5, 4.5, generator)
    distance = torch.hypot((u * frequency) % 1.0 - 0.5, (v * frequency) % 1.0 - 0.5)
    return _soft_step(3 * (_column(count, 0.18, 0.36, generator) - distance), generator)


def plaid(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw two crossing sets of translucent bands."""
    u, v = _plane(count, size, generator)
    bands = []
    for axis in (u, v):
        wave = torch.sin(axis * torch.pi * _column(count, 1.5, 6.0, generator))
        bands.append(_soft_step(wave + _column(count, -0.7, 0.5, generator), generator))
    return (bands[0] + bands[1]) / 2


def blobs(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw smooth islands."""
    fine = torch.rand(count, 1, 1, generator=generator) < 0.5
    field = torch.where(fine, _noise(count, size, 9, generator), _noise(count, size, 5, generator))
    return _soft_step(field - _column(count, -0.3, 0.5, generator), generator)


def plasma(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw interfering sine waves of several directions."""
    field = torch.zeros(count, size, size)
    for _ in range(3):
        u, _v = _plane(count, size, generator)
        field += torch.sin(u * torch.pi * _column(count, 1.0, 4.5, generator))
    return _rescale(field)


def speckle(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw sparse grains of one or two pixels."""
    grains = torch.rand(count, 1, size, size, generator=generator)
    coarse = torch.rand(count, 1, size // 2, size // 2, generator=generator)
    coarse = functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    fine = torch.rand(count, 1, 1, generator=generator) < 0.5
    field = torch.where(fine, grains[:, 0], coarse[:, 0])
    return _soft_step(field - _column(count, 0.6, 0.95, generator), generator)


def waves(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw sinuous bands."""
    u, v = _plane(count, size, generator)
    wave = torch.sin(v * torch.pi * _column(count, 1.5, 4.0, generator))
    bend = wave * _column(count, 0.12, 0.35, generator)
    bands = torch.sin((u + bend) * torch.pi * _column(count, 2.5, 6.0, generator))
    return _soft_step(bands, generator)


def rays(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw sectors around a centre that may lie outside."""
    u, v = _plane(count, size, generator)
    spokes = torch.randint(3, 13, (count, 1, 1), generator=generator)
    twist = torch.hypot(u, v) * _column(count, -2.0, 2.0, generator)
    return _soft_step(torch.sin(torch.atan2(v, u) * spokes + twist), generator)


def confetti(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw small rectangles of random place, turn and shade."""
    field = torch.full((count, size, size), 0.5)
    for _ in range(14):
        u, v = _plane(count, size, generator)
        du, dv = (uniform((count, 1, 1), -1.0, 1.0, generator) for _ in range(2))
        half = uniform((2, count, 1, 1), 0.08, 0.28, generator)
        inside = ((u - du).abs() < half[0]) & ((v - dv).abs() < half[1])
        field = torch.where(inside, torch.rand(count, 1, 1, generator=generator), field)
    return field


def veins(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw marble: a thin ridge wherever warped noise crosses zero."""
    u, _ = _plane(count, size, generator)
    warp = _noise(count, size, 5, generator) + 0.5 * _noise(count, size, 11, generator)
    along = u * _column(count, 1.0, 4.0, generator)
    ridge = torch.sin(along + warp * _column(count, 0.8, 1.8, generator)).abs()
    return torch.exp(-ridge * _column(count, 2.5, 7.0, generator))


BACKGROUNDS: tuple[Field, ...] = (
    *(octaves, gradient, stripes, checkers, dots, plaid, blobs),
    *(plasma, speckle, waves, rays, confetti, veins),
)
"""The families, in the order of their labels."""


def mixed_fields(
    families: tuple[Field, ...], labels: torch.Tensor, size: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw the field of families[labels[i]] in row i, (len(labels), size, size)."""
    fields = torch.empty(len(labels), size, size)
    for index, family in enumerate(families):
        rows = (labels == index).nonzero()[:, 0]
        if len(rows):
            fields[rows] = family(len(rows), size, generator)
    return fields
