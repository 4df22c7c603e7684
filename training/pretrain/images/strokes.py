"""Silhouettes of invented glyphs.

Two to four pen strokes, each a line, a curve or an arc of an ellipse.
"""

from __future__ import annotations

import torch

from .random import uniform

_STROKES = 4
_POINTS = 11  # of the polyline that stands for a stroke
_CHUNK_GLYPHS = 64  # rendered at a time


def stroke_masks(
    classes: int, variants: int, size: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw coverage masks (classes, variants, size, size) in [0, 1].

    The variants of a class differ in hand and pen width.
    """
    paths = _draw(classes, variants, generator).flatten(0, 1)
    width = uniform((classes * variants, 1, 1), 0.07, 0.17, generator)
    chunks = zip(paths.split(_CHUNK_GLYPHS), width.split(_CHUNK_GLYPHS), strict=True)
    parts = [_render(path, pen, size) for path, pen in chunks]
    return torch.cat(parts).view(classes, variants, size, size)


def _draw(classes: int, variants: int, generator: torch.Generator) -> torch.Tensor:
    """Draw polylines (classes, variants, strokes, points, 2) within about [-0.8, 0.8]."""
    shape = (classes, _STROKES)
    anchors = _anchors(shape, generator)[:, None]
    jitter = 0.07 * torch.randn(classes, variants, _STROKES, 3, 2, generator=generator)
    bezier = _bezier(anchors + jitter)
    centre = uniform((*shape, 2), -0.35, 0.35, generator)
    radii = uniform((*shape, 2), 0.25, 0.6, generator)
    start = uniform(shape, 0, 6.3, generator)  # radians
    length = uniform(shape, 2.5, 6.3, generator)
    span = torch.stack([start, length], dim=-1)
    moved = centre[:, None] + jitter[..., 0, :]
    stretched = radii[:, None] + jitter[..., 1, :]
    arc = _arc(moved, stretched, span[:, None])
    is_arc = (torch.rand(shape, generator=generator) < 0.35)[:, None, :, None, None]
    paths = torch.where(is_arc, arc, bezier)
    # A glyph of fewer strokes repeats its first one.
    used = torch.randint(2, _STROKES + 1, (classes, 1), generator=generator)
    source = torch.where(torch.arange(_STROKES) < used, torch.arange(_STROKES), 0)
    return paths.gather(2, source[:, None, :, None, None].expand_as(paths))


def _anchors(shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Draw start, bend and end (classes, strokes, 3, 2) on a grid of 3 x 4 places.

    Half of the strokes are straight.
    """
    columns = torch.randint(3, (*shape, 3), generator=generator) * 0.6 - 0.6
    rows = torch.randint(4, (*shape, 3), generator=generator) * 0.5 - 0.75
    points = torch.stack([columns, rows], dim=-1)
    # A stroke that ends where it starts is mirrored there, so that it is no dot.
    same = (points[..., 0, :] == points[..., 2, :]).all(dim=-1)
    points[..., 2, 1] = torch.where(same, -points[..., 2, 1], points[..., 2, 1])
    straight = torch.rand(shape, generator=generator) < 0.5
    middle = (points[..., 0, :] + points[..., 2, :]) / 2
    points[..., 1, :] = torch.where(straight[..., None], middle, 1.4 * points[..., 1, :])
    return points


def _bezier(points: torch.Tensor) -> torch.Tensor:
    """Sample quadratic Bezier curves of (..., 3, 2) control points, (..., points, 2)."""
    t = torch.linspace(0.0, 1.0, _POINTS)[:, None]
    start, bend, end = (points[..., i, None, :] for i in range(3))
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end


def _arc(centre: torch.Tensor, radii: torch.Tensor, span: torch.Tensor) -> torch.Tensor:
    """Sample arcs of ellipses, (..., points, 2); `span` is (start, length) in radians."""
    angle = span[..., 0, None] + span[..., 1, None] * torch.linspace(0.0, 1.0, _POINTS)
    unit = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    return centre[..., None, :] + radii[..., None, :] * unit


def _render(paths: torch.Tensor, width: torch.Tensor, size: int) -> torch.Tensor:
    """Cover all pixels nearer than half the pen width to one of the segments, (glyphs, h, w).

    `width` is that half, in units of half of the image's.
    """
    axis = torch.linspace(-1.0, 1.0, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    nearest = torch.full((len(paths), size, size), torch.inf)
    starts = paths[:, :, :-1].flatten(1, 2)
    steps = (paths[:, :, 1:] - paths[:, :, :-1]).flatten(1, 2)
    for start, step in zip(starts.unbind(1), steps.unbind(1), strict=True):
        nearest = torch.minimum(nearest, _squared_distance(x, y, start, step))
    return torch.sigmoid((width - nearest.sqrt()) * size / 1.3)


def _squared_distance(
    x: torch.Tensor, y: torch.Tensor, start: torch.Tensor, step: torch.Tensor
) -> torch.Tensor:
    """Return the squared distance of each pixel to each segment."""
    x0, y0, dx, dy = (v[:, None, None] for v in (*start.unbind(1), *step.unbind(1)))
    along = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy).clamp(min=1e-9)
    along = along.clamp(0.0, 1.0)
    return (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2
