"""Fractal silhouettes: attractors of random iterated function systems.

Compare Kataoka et al. 2020, "Pre-training without Natural Images".
"""

from __future__ import annotations

import torch

from .random import uniform

_MAPS = 4
_POINTS = 1024  # that move through a system at the same time
_BURN_IN_TURNS = 12  # until the points are on the attractor
_DRAWN_TURNS = 24
_CHUNK_SYSTEMS = 256  # rendered at a time
_COVERAGE = (0.10, 0.55)  # emptier is dust, fuller is a plain blob
_CANDIDATES = 4  # systems drawn per class wanted


def fractal_masks(
    classes: int, variants: int, size: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw coverage masks (classes, variants, size, size) in [0, 1].

    The variants of a class jitter its system.
    """
    systems = _draw_systems(classes, size, generator)
    factors = 1.0 + 0.06 * torch.randn(classes, variants, _MAPS, 2, 3, generator=generator)
    jittered = (systems[:, None] * factors).flatten(0, 1)
    return _render(jittered, size, generator).view(classes, variants, size, size)


def _draw_systems(classes: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw systems (classes, maps, 2, 3) of contracting affine maps.

    Their attractors have a usable coverage.
    """
    candidates = _random_systems(_CANDIDATES * classes, generator)
    coverage = _render(candidates, size, generator).mean(dim=(1, 2))
    middle = sum(_COVERAGE) / 2
    # Nearest to the middle first, so that there are always enough, then back into drawing order.
    unusable = ((coverage - middle).abs() - (middle - _COVERAGE[0])).clamp(min=0.0)
    chosen = unusable.argsort(stable=True)[:classes].sort().values
    return candidates[chosen]


def _random_systems(count: int, generator: torch.Generator) -> torch.Tensor:
    shape = (count, _MAPS)
    turn, twist = (uniform(shape, -torch.pi, torch.pi, generator) for _ in range(2))
    stretch = uniform((*shape, 2), 0.2, 0.8, generator)
    linear = _rotation(turn) @ torch.diag_embed(stretch) @ _rotation(twist)
    systems = torch.cat([linear, uniform((*shape, 2, 1), -1.0, 1.0, generator)], dim=-1)
    # A system of two or three maps repeats its first ones.
    used = torch.randint(2, _MAPS + 1, (count, 1), generator=generator)
    source = torch.arange(_MAPS).expand(count, _MAPS) % used
    return systems[torch.arange(count)[:, None], source]


def _rotation(angle: torch.Tensor) -> torch.Tensor:
    rows = [torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)]
    return torch.stack(rows, dim=-1).unflatten(-1, (2, 2))


def _render(systems: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    parts = [_histogram(_orbit(part, generator), size) for part in systems.split(_CHUNK_SYSTEMS)]
    return torch.cat(parts)


def _orbit(systems: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Play the chaos game: many points per system, each following a random map at every turn."""
    count = len(systems)
    rows = torch.arange(count)[:, None]
    points = torch.zeros(count, _POINTS, 2)
    orbit = []
    for turn in range(_BURN_IN_TURNS + _DRAWN_TURNS):
        maps = systems[rows, torch.randint(_MAPS, (count, _POINTS), generator=generator)]
        points = (maps[..., :2] @ points[..., None])[..., 0] + maps[..., 2]
        # Jitter may make a map expand slightly; such orbits stay finite by this bound.
        points = points.clamp(-1e3, 1e3)
        if turn >= _BURN_IN_TURNS:
            orbit.append(points)
    return torch.cat(orbit, dim=1)


def _histogram(points: torch.Tensor, size: int) -> torch.Tensor:
    """Return a saturating point density over the bounding box, (systems, size, size).

    Outliers are clipped to its edge.
    """
    low, high = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    extent = (high - low).amax(dim=-1, keepdim=True).clamp(min=1e-3)
    unit = (points - (low + high) / 2) / extent + 0.5
    cells = unit.mul(size - 1).round().long().clamp(0, size - 1)
    counts = torch.zeros(len(points), size * size)
    counts.scatter_add_(1, cells[..., 1] * size + cells[..., 0], torch.ones(points.shape[:2]))
    return (1.0 - torch.exp(-0.7 * counts)).view(-1, size, size)
