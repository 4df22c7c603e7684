"""Closed silhouettes: circles and polygons, some with a hole.

Their radius is modulated by the angle.
"""

from __future__ import annotations

import torch

from .random import uniform

_HARMONICS = 4

# First columns in a row of parameters: sides, fold, aspect, hole, sharpness, amplitudes, phases.
_AMPLITUDE = 5
_PHASE = _AMPLITUDE + _HARMONICS

_CHUNK_CONTOURS = 512  # rendered at a time


def contour_masks(
    classes: int, variants: int, size: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw coverage masks (classes, variants, size, size) in [0, 1].

    The variants of a class jitter its contour.
    """
    parameters = _jitter(_draw(classes, generator), variants, generator)
    parts = [_render(part, size) for part in parameters.flatten(0, 1).split(_CHUNK_CONTOURS)]
    return torch.cat(parts).view(classes, variants, size, size)


def _draw(classes: int, generator: torch.Generator) -> torch.Tensor:
    """Draw one row per class: five global numbers, then amplitudes and phases of the harmonics."""
    sides = torch.randint(2, 7, (classes, 1), generator=generator).float()  # 2 stands for a circle
    fold = torch.randint(1, 7, (classes, 1), generator=generator).float()
    aspect = uniform((classes, 1), 0.55, 1.0, generator)
    hole = uniform((classes, 1), 0.3, 0.65, generator)
    hole = hole * (torch.rand(classes, 1, generator=generator) < 0.35)
    sharpness = uniform((classes, 1), 0.7, 1.5, generator)
    decay = torch.arange(1, _HARMONICS + 1) ** -0.7
    amplitude = 0.28 * torch.randn(classes, _HARMONICS, generator=generator) * decay
    phase = uniform((classes, _HARMONICS), -torch.pi, torch.pi, generator)
    return torch.cat([sides, fold, aspect, hole, sharpness, amplitude, phase], dim=1)


def _jitter(parameters: torch.Tensor, variants: int, generator: torch.Generator) -> torch.Tensor:
    """Return a row for each variant, (classes, variants, columns); sides and fold stay the same."""
    rows = parameters[:, None].repeat(1, variants, 1)
    noise = torch.randn(rows.shape, generator=generator)
    rows[..., 2:5] *= 1.0 + 0.06 * noise[..., 2:5]
    rows[..., _AMPLITUDE:_PHASE] *= 1.0 + 0.10 * noise[..., _AMPLITUDE:_PHASE]
    rows[..., _PHASE:] += 0.12 * noise[..., _PHASE:]
    return rows


def _render(rows: torch.Tensor, size: int) -> torch.Tensor:
    sides, fold, aspect, hole, sharpness = (
        column[:, None, None] for column in rows[:, :_AMPLITUDE].unbind(1)
    )
    axis = torch.linspace(-1.0, 1.0, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    y = y / aspect
    x = x.expand_as(y)
    distance, angle = torch.hypot(x, y), torch.atan2(y, x)
    radius = _base_radius(sides, angle)
    for k in range(_HARMONICS):
        amplitude = rows[:, _AMPLITUDE + k, None, None]
        phase = rows[:, _PHASE + k, None, None]
        radius = radius + amplitude * torch.cos((k + 1) * fold * angle + phase)
    radius = radius.clamp(min=0.15) ** sharpness
    radius = 0.96 * radius / radius.amax(dim=(1, 2), keepdim=True)
    edge = size / 1.3  # steepness: an edge of about a pixel
    outside = torch.sigmoid((radius - distance) * edge)
    inside = torch.sigmoid((distance - hole * radius) * edge)
    return outside * torch.where(hole > 0, inside, torch.ones_like(inside))


def _base_radius(sides: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Return the radius of a regular polygon at that angle, or of a circle."""
    sector = 2 * torch.pi / sides
    polygon = torch.cos(sector / 2) / torch.cos(angle % sector - sector / 2)
    return torch.where(sides > 2, polygon, torch.ones_like(angle))
