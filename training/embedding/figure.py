"""Projected features, a panel for each method, as in the paper's figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facet_vision.common.figures import MARKERS, legend_below, new_figure, short

from .separation import Separation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 3.8
"""Inches of a panel."""

LEGEND = 24
"""A legend of more classes than these says nothing."""


@dataclass(frozen=True)
class Panel:
    """One method's features of the images.

    Attributes:
        places: (images, 2).
    """

    title: str
    places: np.ndarray
    separation: Separation


def draw(
    panels: Sequence[Panel], targets: np.ndarray, labels: Sequence[str], projection: str
) -> Figure:
    """A dot for each image, coloured by its class; the separation stands in the titles.

    Args:
        targets: (images,) indices of `labels`.
        projection: its name for people.
    """
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    shown = [index for index in range(len(labels)) if (targets == index).any()]
    figure = new_figure(SIDE * columns, (SIDE + 0.4) * lines + 0.3)
    figure.suptitle(f"{projection} of {len(targets)} held-out images", fontsize="medium")
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, panel in zip(grid, panels, strict=False):
        _panel(axes, panel, targets, [(index, labels[index]) for index in shown])
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    if len(shown) <= LEGEND:
        legend_below(figure, *grid[0].get_legend_handles_labels(), markerscale=2)
    return figure


def _panel(
    axes: Any, panel: Panel, targets: np.ndarray, classes: Sequence[tuple[int, str]]
) -> None:
    from matplotlib import colormaps

    separation = panel.separation
    scores = f"silhouette {separation.silhouette:.2f}\n{separation.k}-NN {100 * separation.neighbours:.1f} %"
    axes.set_title(f"{panel.title}\n{scores}", fontsize="medium")
    axes.set(xticks=[], yticks=[])
    colours = colormaps["tab10" if len(classes) <= 10 else "turbo"]
    for number, (index, label) in enumerate(classes):
        colour = colours(number) if len(classes) <= 10 else colours(number / (len(classes) - 1))
        x, y = panel.places[targets == index].T
        marker = MARKERS[number % len(MARKERS)]
        axes.scatter(
            x, y, s=9, color=colour, marker=marker, linewidths=0, alpha=0.8, label=short(label)
        )
