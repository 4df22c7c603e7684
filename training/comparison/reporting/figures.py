"""The report's figures: accuracy over tuned parameters, accuracy on each task, time and memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from facet_vision.common.figures import COLOURS, MARKERS, legend_below, new_figure, short
from facet_vision.training.comparison.records import Comparison

from .intervals import Interval
from .scores import Score, Scores
from .sections import ALL, scopes
from .texts import count, number, percent
from .totals import FULL, cost, served, size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL = (4.0, 3.2)
"""Inches of a scatter's panel."""

BAR = 0.24
"""Inches of height for a method's bar."""

SHARED, OWN = COLOURS[0], COLOURS[4]
"""Of methods that are served from the shared backbone, and of the others."""


def draw_scatter(comparison: Comparison) -> Figure:
    """Mean accuracy over the mean number of tuned parameters, with 95 % intervals over seeds.

    A panel for all tasks and one for each group; a method that lacks tasks of a panel is not in it.
    """
    panels = dict(sorted(scopes(comparison).items(), key=lambda item: item[0] != ALL))
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = new_figure(PANEL[0] * columns, PANEL[1] * lines)
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, (name, tasks) in zip(grid, panels.items(), strict=False):
        axes.set_title(f"{short(name)} ({count(len(tasks), 'task')})")
        _scatter(axes, comparison, tasks)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    shown = [method for method in comparison.methods if method in handles]
    if shown:
        legend_below(figure, [handles[method] for method in shown], shown)
    return figure


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
            sizes.tuned,
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
    """Colour and marker of the method with this index; no two of the first 49 have both in common."""
    turn, place = divmod(index, len(COLOURS))
    return COLOURS[place], MARKERS[(place + turn) % len(MARKERS)]


def draw_tasks(comparison: Comparison) -> Figure:
    """A panel for each task: bars of accuracy with 95 % intervals over seeds, their numbers, and full as a line."""
    tasks, methods = comparison.tasks, comparison.methods
    columns = min(3 if len(tasks) <= 9 else 4, len(tasks))
    lines = math.ceil(len(tasks) / columns)
    figure = _figure_of_bars(1.2 + 2.8 * columns, (0.8 + BAR * len(methods)) * lines)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    scores = Scores(comparison.cells)
    for axes, task in zip(grid, tasks, strict=False):
        found = [scores.score(method, [task]) for method in methods]
        axes.set_title(short(task))
        axes.set(xlim=(0, 100))
        _bars(
            axes,
            comparison,
            [None if score is None else 100 * score.mean for score in found],
            _percentages(found),
        )
        _errors(axes, found)
        if FULL in methods and (full := found[methods.index(FULL)]):
            axes.axvline(100 * full.mean, color="black", linestyle=":", linewidth=1)
    for axes in grid[len(tasks) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(tasks) - columns) : len(tasks)]:
        axes.set_xlabel("accuracy (%)")
    _kinds(figure, comparison)
    return figure


def _percentages(scores: Sequence[Score | None]) -> list[str]:
    return ["" if score is None else percent(score.mean) for score in scores]


def _errors(axes: Any, scores: Sequence[Score | None]) -> None:
    """Intervals, as far as accuracies can lie."""
    for place, score in enumerate(scores):
        if score is not None and score.interval is not None:
            low, high = max(0.0, score.interval.low), min(1.0, score.interval.high)
            axes.errorbar(
                100 * score.mean,
                place,
                xerr=[[100 * (score.mean - low)], [100 * (high - score.mean)]],
                color="black",
                capsize=2,
                linewidth=1,
            )


def draw_cost(comparison: Comparison) -> Figure:
    """Median seconds and median peak memory of a training."""
    figure = _figure_of_bars(8.4, 0.9 + BAR * len(comparison.methods))
    found = [cost(comparison, method) for method in comparison.methods]
    seconds = [None if one is None else one.seconds for one in found]
    memory = [None if one is None else one.peak_bytes / 2**20 for one in found]
    panels = {"seconds per training": seconds, "peak memory (MiB)": memory}
    for axes, (name, values) in zip(
        figure.subplots(1, 2, sharey=True), panels.items(), strict=True
    ):
        axes.set_xlabel(name)
        _bars(
            axes, comparison, values, ["" if value is None else number(value) for value in values]
        )
    _kinds(figure, comparison)
    return figure


def _figure_of_bars(width: float, height: float) -> Figure:
    figure = new_figure(width, height)
    figure.get_layout_engine().set(wspace=0.08)  # type: ignore[call-arg, union-attr]
    return figure


def _bars(
    axes: Any, comparison: Comparison, values: Sequence[float | None], texts: Sequence[str]
) -> None:
    """A bar for each method, the first on top, with its number to the right of the panel."""
    places = range(len(values))
    colours = [SHARED if served(comparison, method) else OWN for method in comparison.methods]
    axes.barh(places, [value or 0.0 for value in values], color=colours, height=0.75)
    axes.set_yticks(places, [short(method) for method in comparison.methods])
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for place, text in zip(places, texts, strict=True):
        axes.text(
            1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize="small"
        )


def _kinds(figure: Figure, comparison: Comparison) -> None:
    """A legend of the bars' two colours, as far as they are there."""
    from matplotlib.patches import Patch

    kinds = {True: (SHARED, "served from the shared backbone"), False: (OWN, "not served from it")}
    there = {served(comparison, cell.method) for cell in comparison.cells}
    shown = [kind for key, kind in kinds.items() if key in there]
    if shown:
        legend_below(
            figure, [Patch(color=colour) for colour, _ in shown], [label for _, label in shown]
        )


def _reach(interval: Interval | None) -> float | None:
    """Half of its width in percent."""
    return None if interval is None else 50 * (interval.high - interval.low)


SCATTER, TASKS, COST = "parameters.png", "tasks.png", "cost.png"

FIGURES: dict[str, Callable[[Comparison], Figure]] = {
    SCATTER: draw_scatter,
    TASKS: draw_tasks,
    COST: draw_cost,
}
"""By file name."""
