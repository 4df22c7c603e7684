"""Figures of the report.

Accuracy over tuned parameters, accuracy on each task, time and memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from facet_vision.common.figures import COLOURS, MARKERS, legend_below, new_figure, short
from facet_vision.training.comparison.records import ALL, Comparison

from .intervals import Interval
from .scores import Score, Scores
from .texts import count, number, percent
from .totals import FULL, cost, served, size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_INCHES = (4.0, 3.2)
"""Width and height of a scatter's panel."""

BAR_INCHES = 0.24
"""Height of a method's bar."""

SHARED = COLOURS[0]
"""Colour of methods that are served from the shared backbone."""

OWN = COLOURS[4]
"""Colour of the other methods."""


def draw_scatter(comparison: Comparison) -> Figure:
    """Draw mean accuracy over the mean number of tuned parameters, with 95 % intervals over seeds.

    There is a panel for all tasks and one for each group; a method that lacks tasks of a panel is
    not in it.
    """
    # False sorts before True, so the panel of all tasks is first.
    panels = dict(sorted(comparison.scopes.items(), key=lambda item: item[0] != ALL))
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = new_figure(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * lines)
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, (name, tasks) in zip(grid, panels.items(), strict=False):
        axes.set_title(f"{short(name)} ({count(len(tasks), 'task')})")
        _scatter(axes, comparison, tasks)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    _legend_of_methods(figure, grid, comparison.methods)
    return figure


def _legend_of_methods(figure: Figure, grid: Any, methods: Sequence[str]) -> None:
    """Name each method of any panel once."""
    handles: dict[str, Any] = {}
    for axes in grid:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    shown = [method for method in methods if method in handles]
    if shown:
        legend_below(figure, [handles[method] for method in shown], shown)


def _scatter(axes: Any, comparison: Comparison, tasks: Sequence[str]) -> None:
    axes.set(xscale="log", xlabel="tuned parameters per task", ylabel="accuracy (%)")
    axes.grid(alpha=0.3)
    axes.axvline(comparison.backbone_parameters, color="0.6", linestyle=":", zorder=0)
    scores = Scores(comparison.cells)
    for index, method in enumerate(comparison.methods):
        score, sizes = scores.score(method, tasks), size(comparison, method)
        if score is None or sizes is None or score.lacking:
            continue
        colour, marker = style(index)
        axes.errorbar(
            max(1, sizes.tuned),  # a logarithm has no place for methods that train nothing
            100 * score.mean,
            _reach(score.interval),
            marker=marker,
            color=colour,
            markerfacecolor=colour if served(comparison, method) else "white",
            linestyle="none",
            capsize=3,
            label=method,
        )


def style(index: int) -> tuple[str, str]:
    """Return colour and marker of the method with this index.

    No two of the first 49 have both in common.
    """
    turn, place = divmod(index, len(COLOURS))
    return COLOURS[place], MARKERS[(place + turn) % len(MARKERS)]


def draw_tasks(comparison: Comparison) -> Figure:
    """Draw the accuracy on each task: bars with 95 % intervals over seeds, and full as a line."""
    tasks, methods = comparison.tasks, comparison.methods
    columns = min(3 if len(tasks) <= 9 else 4, len(tasks))
    lines = math.ceil(len(tasks) / columns)
    figure = _figure_of_bars(1.2 + 2.8 * columns, (0.8 + BAR_INCHES * len(methods)) * lines)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    scores = Scores(comparison.cells)
    for axes, task in zip(grid, tasks, strict=False):
        axes.set_title(short(task))
        _task(axes, comparison, [scores.score(method, [task]) for method in methods])
    for axes in grid[len(tasks) :]:
        axes.set_axis_off()
    # The last panel of each column carries the label.
    for axes in grid[max(0, len(tasks) - columns) : len(tasks)]:
        axes.set_xlabel("accuracy (%)")
    _legend_of_kinds(figure, comparison)
    return figure


def _task(axes: Any, comparison: Comparison, found: Sequence[Score | None]) -> None:
    """Draw one panel, from a score for each method."""
    axes.set(xlim=(0, 100))
    heights = [None if score is None else 100 * score.mean for score in found]
    labels = ["" if score is None else percent(score.mean) for score in found]
    _bars(axes, comparison, heights, labels)
    _errors(axes, found)
    if FULL in comparison.methods:
        full = found[comparison.methods.index(FULL)]
        if full:
            axes.axvline(100 * full.mean, color="black", linestyle=":", linewidth=1)


def _errors(axes: Any, scores: Sequence[Score | None]) -> None:
    """Draw the intervals, cut off at 0 and 1, between which accuracies lie."""
    for row, score in enumerate(scores):
        if score is None or score.interval is None:
            continue
        low, high = max(0.0, score.interval.low), min(1.0, score.interval.high)
        axes.errorbar(
            100 * score.mean,
            row,
            xerr=[[100 * (score.mean - low)], [100 * (high - score.mean)]],
            color="black",
            capsize=2,
            linewidth=1,
        )


def draw_cost(comparison: Comparison) -> Figure:
    """Draw median seconds and median peak memory of a training."""
    figure = _figure_of_bars(8.4, 0.9 + BAR_INCHES * len(comparison.methods))
    costs = [cost(comparison, method) for method in comparison.methods]
    seconds = [None if found is None else found.seconds for found in costs]
    memory = [None if found is None else found.peak_bytes / 2**20 for found in costs]
    panels = {"seconds per training": seconds, "peak memory (MiB)": memory}
    grid = figure.subplots(1, 2, sharey=True)
    for axes, (name, values) in zip(grid, panels.items(), strict=True):
        axes.set_xlabel(name)
        labels = ["" if value is None else number(value) for value in values]
        _bars(axes, comparison, values, labels)
    _legend_of_kinds(figure, comparison)
    return figure


def _figure_of_bars(width: float, height: float) -> Figure:
    figure = new_figure(width, height)
    figure.get_layout_engine().set(wspace=0.08)  # type: ignore[call-arg, union-attr]
    return figure


def _bars(
    axes: Any, comparison: Comparison, values: Sequence[float | None], labels: Sequence[str]
) -> None:
    """Draw a bar for each method, the first on top, with its label to the right of the panel."""
    rows = range(len(values))
    colours = [SHARED if served(comparison, method) else OWN for method in comparison.methods]
    axes.barh(rows, [value or 0.0 for value in values], color=colours, height=0.75)
    axes.set_yticks(rows, [short(method) for method in comparison.methods])
    axes.set_ylim(len(values) - 0.4, -0.6)  # from high to low: the first row is on top
    axes.spines[["top", "right"]].set_visible(False)
    # x in shares of the panel, y in rows.
    mixed = axes.get_yaxis_transform()
    for row, label in zip(rows, labels, strict=True):
        axes.text(1.02, row, label, transform=mixed, va="center", fontsize="small")


def _legend_of_kinds(figure: Figure, comparison: Comparison) -> None:
    """Explain those of the bars' two colours that occur."""
    from matplotlib.patches import Patch

    kinds = {True: (SHARED, "served from the shared backbone"), False: (OWN, "not served from it")}
    there = {served(comparison, cell.method) for cell in comparison.cells}
    shown = [kind for key, kind in kinds.items() if key in there]
    if shown:
        patches = [Patch(color=colour) for colour, _ in shown]
        legend_below(figure, patches, [label for _, label in shown])


def _reach(interval: Interval | None) -> float | None:
    """Return half of the interval's width in percent."""
    return None if interval is None else 50 * (interval.high - interval.low)


SCATTER, TASKS, COST = "parameters.png", "tasks.png", "cost.png"

FIGURES: dict[str, Callable[[Comparison], Figure]] = {
    SCATTER: draw_scatter,
    TASKS: draw_tasks,
    COST: draw_cost,
}
"""The drawing function of each figure, by file name."""
