"""Cheap augmentations that change no label of an image.

Colours, brightness and small shifts.
"""

from __future__ import annotations

import torch

from .images import uniform

_SHIFT_PIXELS = 2
"""Largest shift of the foreground, which has half of the image's resolution."""


def augment(
    images: torch.Tensor, foreground: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Augment a batch.

    Args:
        images: uint8 (n, 3, h, w).
        foreground: uint8 (n, h / 2, w / 2).

    Returns:
        Both as float32 in [0, 1], shifted alike.
    """
    bounds = (-_SHIFT_PIXELS, _SHIFT_PIXELS + 1)
    shift = torch.randint(*bounds, (2, len(images), 1), generator=generator)
    shifted = _shift(images, 2 * shift).float() / 255
    mask = _shift(foreground[:, None], shift)[:, 0].float() / 255
    return _recolour(shifted, generator), mask


def _shift(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Move row i by shift[:, i] pixels; the edge is repeated."""
    count, _, height, width = images.shape
    rows = (torch.arange(height) + shift[0]).clamp(0, height - 1)
    columns = (torch.arange(width) + shift[1]).clamp(0, width - 1)
    index = torch.arange(count)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _recolour(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Permute channels, invert, make grey, and change contrast and brightness, each at random."""
    count = len(images)
    order = torch.rand(count, 3, generator=generator).argsort(dim=1)
    images = images[torch.arange(count)[:, None], order]
    inverted = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    images = torch.where(inverted, 1.0 - images, images)
    grey = torch.rand(count, 1, 1, 1, generator=generator) < 0.15
    images = torch.where(grey, images.mean(dim=1, keepdim=True).expand_as(images), images)
    contrast = uniform((count, 1, 1, 1), 0.6, 1.2, generator)
    brightness = uniform((count, 1, 1, 1), -0.15, 0.15, generator)
    return ((images - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)
