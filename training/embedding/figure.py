"""Figure of projected features, a panel for each method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facet_vision.common.figures import MARKERS, legend_below, new_figure, short

from .separation import Separation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE_INCHES = 3.8
"""Width and height of a panel."""

LEGEND_CLASSES = 24
"""With more classes a legend cannot be read, and is left out."""


@dataclass(frozen=True)
class Panel:
    """One method's features of the images.

    Attributes:
        file: name of the trained file; empty for the backbone without prompts.
        places: positions in the plane, (images, 2).
    """

    title: str
    file: str
    places: np.ndarray
    separation: Separation

    def numbers(self) -> dict[str, Any]:
        """Return all but the places, as JSON values."""
        return {"title": self.title, "file": self.file or None, **asdict(self.separation)}


def draw(
    panels: Sequence[Panel], targets: np.ndarray, labels: Sequence[str], projection: str
) -> Figure:
    """Draw a dot for each image, coloured by its class, with the separation in the titles.

    Args:
        targets: (images,) indices of `labels`.
        projection: the name in the title.
    """
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    shown = [index for index in range(len(labels)) if (targets == index).any()]
    figure = new_figure(SIDE_INCHES * columns, (SIDE_INCHES + 0.4) * lines + 0.3)
    figure.suptitle(f"{projection} of {len(targets)} held-out images", fontsize="medium")
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    classes = [(index, labels[index]) for index in shown]
    for axes, panel in zip(grid, panels, strict=False):
        _panel(axes, panel, targets, classes)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    if len(shown) <= LEGEND_CLASSES:
        legend_below(figure, *grid[0].get_legend_handles_labels(), markerscale=2)
    return figure


def _panel(
    axes: Any, panel: Panel, targets: np.ndarray, classes: Sequence[tuple[int, str]]
) -> None:
    from matplotlib import colormaps

    found = panel.separation
    silhouette = f"silhouette {found.silhouette:.2f}"
    neighbours = f"{found.k}-NN {100 * found.neighbours:.1f} %"
    axes.set_title(f"{panel.title}\n{silhouette}\n{neighbours}", fontsize="medium")
    axes.set(xticks=[], yticks=[])
    few = len(classes) <= 10  # the colours of tab10
    colours = colormaps["tab10" if few else "turbo"]
    for number, (index, label) in enumerate(classes):
        # An integer is an index into the colours, a float a share of their range.
        colour = colours(number if few else number / (len(classes) - 1))
        x, y = panel.places[targets == index].T
        marker = MARKERS[number % len(MARKERS)]
        style = {"s": 9, "color": colour, "marker": marker, "linewidths": 0, "alpha": 0.8}
        axes.scatter(x, y, label=short(label), **style)
