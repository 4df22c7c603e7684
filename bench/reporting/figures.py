"""The two kinds of figure: panels of curves, and bars, both with spreads."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facet_vision.bench.measuring.spread import Spread
from facet_vision.common.figures import COLOURS, MARKERS, legend_below, new_figure, save

Draw = Callable[[Path], None]
"""Draws a figure to a path."""

Lines = Mapping[str, Sequence[tuple[float, Spread]]]
"""Points of each curve by its label."""

COLUMNS = 3


def curves(panels: Mapping[str, Lines], x: str, y: str, *, log: bool = False) -> Draw:
    """Draw medians with their quartiles over `x`, a panel for each title.

    Args:
        log: makes the x axis logarithmic.
    """

    def draw(path: Path) -> None:
        columns = min(COLUMNS, len(panels))
        rows = math.ceil(len(panels) / columns)
        figure = new_figure(max(6, 4 * columns), 1 + 3 * rows)
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
        handles: dict[str, Any] = {}
        for axes, (title, lines) in zip(grid, panels.items(), strict=False):
            handles |= _draw_lines(axes, lines)
            axes.set(title=title, xlabel=x, xscale="log" if log else "linear")
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[::columns]:
            axes.set(ylabel=y, ylim=(0, None))
        legend_below(figure, list(handles.values()), list(handles))
        save(figure, path)

    return draw


def _draw_lines(axes: Any, lines: Lines) -> dict[str, Any]:
    axes.grid(alpha=0.3)
    handles: dict[str, Any] = {}
    for number, (label, points) in enumerate(lines.items()):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        spreads = [spread for _, spread in points]
        positions = [x for x, _ in points]
        medians = [spread.median for spread in spreads]
        style = {"color": colour, "marker": marker, "markersize": 4, "capsize": 2}
        handles[label] = axes.errorbar(positions, medians, yerr=_errors(spreads), **style)
    return handles


def bars(values: Mapping[str, Spread], x: str) -> Draw:
    """Draw a bar for each median, with its quartiles."""

    def draw(path: Path) -> None:
        names, spreads = list(values), list(values.values())
        figure = new_figure(7, 1 + 0.35 * len(names))
        axes = figure.subplots()
        medians = [spread.median for spread in spreads]
        axes.barh(names, medians, xerr=_errors(spreads), color=COLOURS[0], capsize=2)
        axes.set(xlabel=x)
        axes.invert_yaxis()
        axes.grid(alpha=0.3, axis="x")
        save(figure, path)

    return draw


def _errors(spreads: Sequence[Spread]) -> list[list[float]]:
    """Return the quartiles' distances below and above the median, matplotlib's form."""
    below = [spread.median - spread.quartiles[0] for spread in spreads]
    above = [spread.quartiles[1] - spread.median for spread in spreads]
    return [below, above]
