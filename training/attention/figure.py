"""Figure of images beside their attention maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from facet_vision.backbone import Preprocess
from facet_vision.common.figures import new_figure, short

from .maps import AttentionMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE_INCHES = 2.9
"""Width and height of a panel."""


def draw(
    pictures: Sequence[np.ndarray],
    names: Sequence[str],
    columns: Sequence[tuple[str, Sequence[AttentionMap]]],
    layer: int,
) -> Figure:
    """Draw a row for each image: the image, then it in grey under each column's map.

    The maps of a row share one colour scale.

    Args:
        pictures: each (height, width, 3) from 0 to 1.
        columns: a title and a map for each picture.
        layer: counted from 1.
    """
    width = SIDE_INCHES * (1 + len(columns)) + 0.9
    height = (SIDE_INCHES + 0.25) * len(pictures) + 0.5
    figure = new_figure(width, height)
    title = f"Attention of the class token in layer {layer}, mean over heads"
    figure.suptitle(title, fontsize="medium")
    grid = figure.subplots(len(pictures), 1 + len(columns), squeeze=False)
    for row, picture in enumerate(pictures):
        grid[row, 0].imshow(picture)
        grid[row, 0].set_title(short(names[row]), fontsize="medium")
        maps = [(title, found[row]) for title, found in columns]
        _row(figure, list(grid[row, 1:]), picture, maps)
    for axes in grid.flatten():
        axes.set(xticks=[], yticks=[])
    return figure


def _row(
    figure: Figure, panels: list[Any], picture: np.ndarray, maps: Sequence[tuple[str, AttentionMap]]
) -> None:
    height, width = picture.shape[:2]
    # The edges of the picture in its pixels, over which the coarser map is stretched.
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    top = max(found.patches.max().item() for _, found in maps)
    style = {"cmap": "inferno", "vmin": 0, "vmax": top, "alpha": 0.6, "interpolation": "bilinear"}
    for axes, (title, found) in zip(panels, maps, strict=True):
        axes.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=1)
        axes.imshow(found.patches.numpy(), extent=extent, **style)
        share = f"\n{100 * found.on_prompts:.0f} % on prompts" if found.on_prompts else ""
        axes.set_title(f"{title}{share}", fontsize="medium")
    figure.colorbar(panels[-1].images[-1], ax=panels, label="attention, 1 = even", shrink=0.9)


def picture(image: Tensor, preprocess: Preprocess) -> np.ndarray:
    """Return the pixels that the network sees, (height, width, 3) from 0 to 1.

    Args:
        image: preprocessed, (3, height, width).
    """
    mean = image.new_tensor(preprocess.mean)[:, None, None]
    std = image.new_tensor(preprocess.std)[:, None, None]
    pixels: np.ndarray = (image * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()
    return pixels
