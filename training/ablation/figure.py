"""Figure of a study's curves, as in the paper.

There is a panel for each data set and one for their mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facet_vision.common.figures import (
    COLOURS,
    LETTERS_PER_INCH,
    MARKERS,
    legend_below,
    new_figure,
    short,
)

from .report import MEAN, Row
from .studies import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_INCHES = (4.2, 3.4)
"""Width and height of a panel."""

DODGE = 0.14
"""Distance between curves where the axis has names, as a share of that between names."""


def draw(study: Study, rows: Sequence[Row], data: Sequence[str]) -> Figure:
    """Draw accuracy in percent over what the study varies, with standard deviations over seeds.

    A method that the study does not vary is a dashed level.
    """
    panels = [*([MEAN] if len(data) > 1 else []), *data]
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = new_figure(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * lines)
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, name in zip(grid, panels, strict=False):
        _panel(axes, study, [row for row in rows if name in row.accuracy], name)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    legend_below(figure, *grid[0].get_legend_handles_labels())
    return figure


def _panel(axes: Any, study: Study, rows: Sequence[Row], name: str) -> None:
    axes.set(title=short(name), xlabel=study.axis, ylabel="accuracy (%)")
    axes.grid(axis="y", alpha=0.3)
    names = list(dict.fromkeys(row.value for row in rows if row.value))
    curves = list(dict.fromkeys(row.curve for row in rows))
    varied = len({row.curve for row in rows if row.value})
    for number, curve in enumerate(curves):
        found = [row for row in rows if row.curve == curve]
        style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "label": curve}
        if not found[0].value:
            axes.axhline(100 * found[0].accuracy[name], linestyle="--", **style)
            continue
        style["marker"] = MARKERS[number % len(MARKERS)]
        # The points of all curves are centred on their name.
        places = _places(study.scale, found, names, DODGE * (number - (varied - 1) / 2))
        _curve(axes, found, places, name, study.scale, style)
    _ticks(axes, study.scale, names)


def _places(scale: str, rows: Sequence[Row], names: Sequence[str], shift: float) -> list[float]:
    """Return the rows' positions on the axis; `shift` is for an axis of names."""
    if scale == "names":
        return [names.index(row.value) + shift for row in rows]
    return [float(row.value) for row in rows]


def _curve(
    axes: Any,
    rows: Sequence[Row],
    places: Sequence[float],
    name: str,
    scale: str,
    style: dict[str, Any],
) -> None:
    heights = [100 * row.accuracy[name] for row in rows]
    bars = [100 * row.spread[name] for row in rows]
    line = "none" if scale == "names" else "-"
    axes.errorbar(places, heights, bars, linestyle=line, capsize=3, **style)


def _ticks(axes: Any, scale: str, names: Sequence[str]) -> None:
    """Put ticks at the measured values."""
    if scale == "names":
        shown = [short(value) for value in names]
        letters = (max(map(len, shown)) + 2) * len(shown)
        slanted = letters > LETTERS_PER_INCH * PANEL_INCHES[0]
        rotation, side = (30, "right") if slanted else (0, "center")
        axes.set_xticks(range(len(names)), shown, rotation=rotation, ha=side)
        axes.set_xlim(-0.6, len(names) - 0.4)
        return
    if scale == "log" and all(float(value) > 0 for value in names):
        axes.set_xscale("log")
    axes.set_xticks([float(value) for value in names], names)
    axes.set_xticks([], minor=True)
