"""Scenes: shapes of one class on a procedural background.

The shapes are coloured and textured.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from .backgrounds import (
    BACKGROUNDS,
    Field,
    checkers,
    gradient,
    mixed_fields,
    octaves,
    speckle,
    stripes,
)
from .contours import contour_masks
from .fractals import fractal_masks
from .random import seeded, uniform
from .strokes import stroke_masks

IMAGE_SIZE = 48
MASK_SIZE = 24  # half of the image's resolution, enough for the foreground
_SHAPE_SIZE = 64  # sizes are in pixels, of both sides
_MANY = 0.3  # share of images that show more than one object
_GRID = 3  # several objects stand on a jittered grid of 3 x 3 places


def _flat(count: int, size: int, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    return torch.zeros(count, size, size)


SURFACES: tuple[Field, ...] = (_flat, gradient, stripes, checkers, speckle, octaves)
"""Textures of the objects, in the order of their labels."""


@dataclass(frozen=True)
class Shapes:
    """The silhouettes of all classes: masks (classes, variants, 64, 64) uint8."""

    masks: torch.Tensor

    @classmethod
    def draw(cls, per_kind: int, variants: int, seed: int) -> Shapes:
        """Draw `per_kind` classes each of fractals, contours and strokes."""
        kinds = (fractal_masks, contour_masks, stroke_masks)
        parts = [
            kind(per_kind, variants, _SHAPE_SIZE, seeded(seed, number))
            for number, kind in enumerate(kinds)
        ]
        return cls((torch.cat(parts) * 255).round().to(torch.uint8))

    @property
    def classes(self) -> int:
        return len(self.masks)


@dataclass(frozen=True)
class Scene:
    """A batch of images with their labels.

    Attributes:
        images: uint8 (n, 3, 48, 48).
        foreground: uint8 (n, 24, 24), the coverage by objects.
        shape, surface, background: labels, int64 (n,).
    """

    images: torch.Tensor
    foreground: torch.Tensor
    shape: torch.Tensor
    surface: torch.Tensor
    background: torch.Tensor


def compose(shapes: Shapes, count: int, generator: torch.Generator) -> Scene:
    """Draw a batch of scenes; equal generators give equal scenes."""
    shape = torch.randint(shapes.classes, (count,), generator=generator)
    surface = torch.randint(len(SURFACES), (count,), generator=generator)
    background = torch.randint(len(BACKGROUNDS), (count,), generator=generator)
    palette = torch.rand(count, 2, 3, generator=generator)
    ground = mixed_fields(BACKGROUNDS, background, IMAGE_SIZE, generator)
    canvas = _colour(ground, palette)
    coverage = torch.zeros(count, 1, IMAGE_SIZE, IMAGE_SIZE)
    for rows, alpha in _placements(shapes, shape, generator):
        texture = mixed_fields(SURFACES, surface[rows], IMAGE_SIZE, generator)
        paint = _colour(texture, _object_palette(palette[rows], generator))
        canvas[rows] = torch.lerp(canvas[rows], paint, alpha)
        coverage[rows] = torch.maximum(coverage[rows], alpha)
    foreground = _to_bytes(functional.avg_pool2d(coverage, IMAGE_SIZE // MASK_SIZE)[:, 0])
    images = _to_bytes(_light(canvas, generator))
    return Scene(images, foreground, shape, surface, background)


def _placements(
    shapes: Shapes, shape: torch.Tensor, generator: torch.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Place the objects in rounds: the rows that get one more, and its alpha (rows, 1, 48, 48)."""
    count = len(shape)
    places = _GRID * _GRID
    several = torch.rand(count, generator=generator) < _MANY
    objects = torch.where(several, torch.randint(2, places + 1, (count,), generator=generator), 1)
    order = torch.rand(count, places, generator=generator).argsort(dim=1)
    rounds = []
    for turn in range(places):
        rows = (objects > turn).nonzero()[:, 0]
        if len(rows):
            alpha = _place(shapes, shape[rows], several[rows], order[rows, turn], generator)
            rounds.append((rows, alpha))
    return rounds


def _place(
    shapes: Shapes,
    shape: torch.Tensor,
    several: torch.Tensor,
    place: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw one object for each row, alpha (rows, 1, 48, 48).

    Args:
        shape: class of each row.
        several: whether the row shows several objects; these are smaller.
        place: of each row on the grid; of no effect where the object is alone.
    """
    count = len(shape)
    variant = torch.randint(shapes.masks.shape[1], (count,), generator=generator)
    masks = shapes.masks[shape, variant].unsqueeze(1).float() / 255
    # Half of the object's extent, as a share of half of the image's.
    small = uniform((count,), 0.22, 0.40, generator)
    large = uniform((count,), 0.40, 0.98, generator)
    half = torch.where(several, small, large)
    free = torch.rand(count, 2, generator=generator) * 2 - 1
    alone = free * (1.05 - half[:, None]).clamp(min=0.05)
    cell = torch.stack([place % _GRID, place // _GRID], dim=1) - 1.0
    centre = torch.where(several[:, None], 0.64 * cell + 0.12 * free, alone)
    warp = _inverse_affine(half, centre, generator)
    grid = functional.affine_grid(warp, [count, 1, IMAGE_SIZE, IMAGE_SIZE], align_corners=False)
    # A small object would alias, so it is sampled from a smoothed mask.
    coarse = functional.avg_pool2d(masks, 2)
    smooth = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    masks = torch.where((half < 0.5)[:, None, None, None], smooth, masks)
    return functional.grid_sample(masks, grid, align_corners=False)


def _inverse_affine(
    half: torch.Tensor, centre: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Draw maps (n, 2, 3) from image to mask coordinates.

    Each is a shift, then a turn, a stretch and a slight shear.
    """
    count = len(half)
    angle = uniform((count,), -0.6, 0.6, generator)
    stretch = torch.exp(uniform((count, 2), -0.2, 0.1, generator)) * half[:, None]
    shear = uniform((count,), -0.2, 0.2, generator)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([cos, sin + shear * cos], 1), torch.stack([-sin, cos - shear * sin], 1)]
    linear = torch.stack(rows, dim=1) / stretch[:, :, None]
    return torch.cat([linear, -(linear @ centre[:, :, None])], dim=2)


def _object_palette(ground: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw two related colours (n, 2, 3).

    The first is the one of four candidates that is farthest from the ground's colours (n, 2, 3).
    """
    candidates = torch.rand(len(ground), 4, 3, generator=generator)
    distance = torch.cdist(candidates, ground).amin(dim=2)
    first = candidates[torch.arange(len(ground)), distance.argmax(dim=1)]
    second = (first + uniform(first.shape, -0.45, 0.45, generator)).clamp(0, 1)
    return torch.stack([first, second], dim=1)


def _colour(field: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """Blend between two colours (n, 2, 3) as the field (n, h, w) says, to (n, 3, h, w)."""
    first, second = palette[:, 0, :, None, None], palette[:, 1, :, None, None]
    return torch.lerp(first.expand(-1, -1, *field.shape[1:]), second, field[:, None])


def _light(canvas: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Apply uneven light and sensor noise."""
    count = len(canvas)
    ramp = gradient(count, IMAGE_SIZE, generator)[:, None]
    strength = uniform((count, 1, 1, 1), 0.0, 0.4, generator)
    grain = uniform((count, 1, 1, 1), 0.0, 0.06, generator)
    return canvas * (1 - strength * ramp) + grain * torch.randn(canvas.shape, generator=generator)


def _to_bytes(values: torch.Tensor) -> torch.Tensor:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)
