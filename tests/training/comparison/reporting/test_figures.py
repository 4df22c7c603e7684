"""Figures of the report, and the numbers that they show."""

from itertools import pairwise

import pytest
from matplotlib.colors import same_color, to_hex
from matplotlib.figure import Figure

from facet_vision.training.comparison.reporting.figures import (
    OWN,
    SHARED,
    draw_cost,
    draw_scatter,
    draw_tasks,
    style,
)
from tests.training.support.trained import comparison, over_seeds, trained

CELLS = [
    *over_seeds("vpt-deep", "a", [0.80, 0.90], parameters=100, seconds=30.0, peak_bytes=3 * 2**20),
    *over_seeds("vpt-deep", "b", [0.60, 0.60], parameters=200, seconds=50.0),
    *over_seeds("full", "a", [0.50, 0.98], parameters=1000, seconds=200.0),
    *over_seeds("full", "b", [0.80, 0.80], parameters=1000, seconds=100.0),
    *over_seeds("a method with a name that is too long", "a", [0.30, 0.30], parameters=10),
]
GROUPS = {"one": ("a",), "two": ("b",)}
METHODS = ("vpt-deep", "full", "a method with a name that is too long", "missing")
SOME = comparison(CELLS, groups=GROUPS, methods=METHODS)


@pytest.fixture(scope="module")
def scatter() -> Figure:
    return draw_scatter(SOME)


@pytest.fixture(scope="module")
def bars() -> Figure:
    return draw_tasks(SOME)


def test_scatter_has_a_panel_for_all_tasks_and_for_each_group(scatter: Figure) -> None:
    titles = [axes.get_title() for axes in scatter.axes if axes.get_title()]
    assert titles == ["all (2 tasks)", "one (1 task)", "two (1 task)"]
    assert len(draw_scatter(comparison(CELLS)).axes) == 1


def test_scatter_leaves_out_methods_that_are_not_comparable(scatter: Figure) -> None:
    everything, first, _, _ = scatter.axes
    found = everything.containers
    places = {one.get_label(): (one[0].get_xdata()[0], one[0].get_ydata()[0]) for one in found}
    assert places == {"vpt-deep": (150, pytest.approx(72.5)), "full": (1000, pytest.approx(77.0))}
    assert everything.get_xscale() == "log"
    assert [one.get_label() for one in first.containers] == list(METHODS[:3])


def test_scatter_fills_the_markers_of_served_methods(scatter: Figure) -> None:
    places = scatter.axes[0].containers
    assert [same_color(one[0].get_markerfacecolor(), "white") for one in places] == [False, True]


def test_scatter_names_each_method_once(scatter: Figure) -> None:
    (legend,) = scatter.legends
    assert [text.get_text() for text in legend.get_texts()] == list(METHODS[:3])


def test_methods_differ_by_colour_or_marker() -> None:
    assert len({style(index) for index in range(49)}) == 49


def test_a_bar_for_each_method_and_task(bars: Figure) -> None:
    first, second = (axes for axes in bars.axes if axes.get_title())
    assert [bar.get_width() for bar in first.patches] == pytest.approx([85, 74, 30, 0])
    assert [bar.get_width() for bar in second.patches] == pytest.approx([60, 80, 0, 0])
    assert [text.get_text() for text in first.texts] == ["85.0", "74.0", "30.0", ""]
    assert [label.get_text() for label in first.get_yticklabels()][2:] == [
        "a method with a name th…",
        "missing",
    ]
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first method on top


def test_bars_carry_intervals_that_are_accuracies(bars: Figure) -> None:
    first, second = (axes for axes in bars.axes if axes.get_title())
    ends = [line[2][0].get_segments()[0][:, 0].tolist() for line in _errors(first)]
    assert ends[0] == pytest.approx([85 - 63.53, 100], abs=0.01)  # 12.706 times 5, up to 100
    assert ends[1:] == [pytest.approx([0, 100]), pytest.approx([30, 30])]
    assert len(_errors(second)) == 2


def _errors(axes: object) -> list:
    return [one for one in axes.containers if hasattr(one, "has_xerr")]  # type: ignore[attr-defined]


def test_full_is_a_line_where_it_is_there(bars: Figure) -> None:
    panels = [axes for axes in bars.axes if axes.get_title()]
    levels = [
        [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"]
        for axes in panels
    ]
    assert levels == [[pytest.approx(74)], [pytest.approx(80)]]
    alone = draw_tasks(comparison(CELLS[:2])).axes[0]
    assert not [line for line in alone.lines if line.get_linestyle() == ":"]


def test_colours_of_bars_show_which_methods_are_served(bars: Figure) -> None:
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars.axes[0].patches][:2] == [
        SHARED,
        OWN,
    ]
    assert [text.get_text() for text in bars.legends[0].get_texts()] == [
        "served from the shared backbone",
        "not served from it",
    ]
    assert len(draw_tasks(comparison([trained("linear")])).legends[0].get_texts()) == 1


def test_time_and_memory() -> None:
    seconds, memory = draw_cost(SOME).axes
    assert [bar.get_width() for bar in seconds.patches] == [40, 150, 2, 0]
    assert [text.get_text() for text in seconds.texts] == ["40", "150", "2", ""]
    assert [bar.get_width() for bar in memory.patches] == [2, 1, 1, 0]
    assert (seconds.get_xlabel(), memory.get_xlabel()) == (
        "seconds per training",
        "peak memory (MiB)",
    )


@pytest.mark.parametrize("tasks", [1, 5])
def test_labels_do_not_overlap(tasks: int) -> None:
    cells = [
        trained(method, f"a long name of task {number}")
        for number in range(tasks)
        for method in METHODS[:3]
    ]
    figure = draw_tasks(comparison(cells))
    figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.get_title()]
    boxes = [axes.get_tightbbox() for axes in panels]
    assert len(boxes) == tasks
    assert not [
        1 for index, one in enumerate(boxes) for other in boxes[index + 1 :] if one.overlaps(other)
    ]
    for axes in panels:
        lines = [text.get_window_extent() for text in axes.get_yticklabels() if text.get_visible()]
        assert not [1 for one, other in pairwise(lines) if one.overlaps(other)]
