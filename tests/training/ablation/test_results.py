"""Finished cells, which survive a kill, and the report on them."""

import json
from pathlib import Path

import pytest

from facet_vision.backbone import Backbone
from facet_vision.common.errors import UsageError
from facet_vision.common.figures import save
from facet_vision.training.ablation.cells import run, setting
from facet_vision.training.ablation.figure import draw
from facet_vision.training.ablation.report import MEAN, CellResult, as_json, markdown, rows
from facet_vision.training.ablation.studies import Point, find_study, recipe_of
from facet_vision.training.ablation.variant import Variant, make_variant
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.errors import TrainingError
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.results import Results

FIRST, SECOND = {"value": "1", "seed": 0}, {"value": "2", "seed": 0}


def test_finished_cells_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    Results(path).add(FIRST, {"accuracy": 0.5})
    again = Results(path)
    assert again.find(dict(reversed(FIRST.items()))) == {"accuracy": 0.5}
    assert again.find(SECOND) is None
    again.add(SECOND, {"accuracy": 0.75})
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_kill_cut_short_is_taken_away(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    Results(path).add(FIRST, {"accuracy": 0.5})
    Results(path).add(SECOND, {"accuracy": 0.75})
    path.write_bytes(path.read_bytes()[:-cut])
    results = Results(path)
    assert results.find(FIRST) == {"accuracy": 0.5}
    assert results.find(SECOND) is None
    results.add(SECOND, {"accuracy": 1.0})
    assert Results(path).find(SECOND) == {"accuracy": 1.0}


@pytest.mark.parametrize("line", ["no JSON", "[1]", "{}", "3"])
def test_other_files_are_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(
        TrainingError, match=r"expected finished cells as JSON lines, found .* in line 1"
    ):
        Results(path)


# One cell


@pytest.mark.parametrize(
    "point",
    [
        Point("x", "vpt-deep", "vpt-deep", Variant()),
        Point("x", "vpt-deep", "vpt-deep", make_variant(init="cls-nofirstl"), {"tokens": 3}),
        Point("x", "vpt-shallow", "vpt-shallow", make_variant(location="pad"), {"tokens": 2}),
        Point("x", "vpt-deep", "vpt-deep"),
        Point("", "linear", "linear"),
        Point("1", "full", "full", changes={"lr": 0.001}),
    ],
)
def test_a_cell_is_trained_and_measured(point: Point, tiny: Backbone, shades: TaskData) -> None:
    recipe = recipe_of(
        point, RecipeOverrides(None, {"epochs": 4, "batch_size": 10, "head_lr": 1.0}), "shades", 0
    )
    first, second = (run(point, recipe, shades, tiny) for _ in range(2))
    assert first["held_out_images"] == 15
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    head = 3 * 32 + 3
    expected = {"": head, "1": None}.get(point.value, head + _prompt_numbers(point))
    assert expected in (None, first["parameters"])
    assert first["accuracy"] > 0.5


def _prompt_numbers(point: Point) -> int:
    if point.method == "vpt-shallow":
        return 3 * 4 * 20 + 3 * 16 * 4
    return 2 * 32 * point.changes.get("tokens", 10)


def test_the_variant_without_switches_is_the_method(tiny: Backbone, shades: TaskData) -> None:
    points = [Point("x", "v", "vpt-deep", Variant()), Point("x", "v", "vpt-deep")]
    recipe = recipe_of(points[0], RecipeOverrides(None, {"epochs": 6, "head_lr": 1.0}), "shades", 0)
    own, registered = (run(point, recipe, shades, tiny) for point in points)
    assert {**own, "seconds": 0} == {**registered, "seconds": 0}


def test_variants_are_trained_on_augmented_images(tiny: Backbone, shades: TaskData) -> None:
    point = Point("x", "v", "vpt-deep", Variant())
    settings = RecipeOverrides(None, {"epochs": 1, "augment": "timm", "auto_augment": "no policy"})
    recipe = recipe_of(point, settings, "shades", 0)
    with pytest.raises(TrainingError, match=r"^auto_augment: expected a policy of timm"):
        run(point, recipe, shades, tiny)


def test_a_setting_is_all_that_decides(tiny: Backbone, shades: TaskData) -> None:
    settings, point = RecipeOverrides(None, {}), Point("1", "curve", "vpt-deep", Variant())

    def key(point: Point, settings: RecipeOverrides = settings, seed: int = 0) -> str:
        return json.dumps(setting(point, recipe_of(point, settings, "shades", seed), shades, tiny))

    others = [
        key(point, seed=1),
        key(point, RecipeOverrides(None, {"lr": 0.5})),
        key(Point("1", "curve", "vpt-deep")),
        key(Point("1", "curve", "vpt-deep", make_variant(depth=1))),
        key(Point("1", "curve", "vpt-deep", Variant(), {"fraction": 0.5})),
        key(Point("1", "curve", "vpt-shallow", Variant())),
        key(Point("1", "curve", "vpt-deep", Variant(), {"tokens": 1})),
    ]
    assert len({key(point), *others}) == 8
    assert key(Point("2", "another curve", "vpt-deep", Variant())) == key(point)
    assert tiny.fingerprint in key(point)


# Reports

CELLS = [
    CellResult("vpt-deep", "1", "a", 0, 0.50, 100, 1.0),
    CellResult("vpt-deep", "1", "a", 1, 0.60, 100, 1.0),
    CellResult("vpt-deep", "1", "b", 0, 0.80, 300, 1.0),
    CellResult("vpt-deep", "1", "b", 1, 0.80, 300, 1.0),
    CellResult("vpt-deep", "5", "a", 0, 0.70, 500, 1.0),
    CellResult("linear", "", "a", 0, 0.40, 10, 1.0),
    CellResult("linear", "", "b", 0, 0.40, 20, 1.0),
]


def test_rows_are_means_over_seeds_and_data() -> None:
    first, second, level = rows(CELLS)
    assert first.accuracy == pytest.approx({"a": 0.55, "b": 0.80, MEAN: 0.675})
    assert first.spread == pytest.approx({"a": 0.005**0.5, "b": 0.0, MEAN: 0.5 * 0.005**0.5})
    assert (first.parameters, second.accuracy["a"], level.value) == (200, 0.7, "")


def test_markdown_table() -> None:
    text = markdown(find_study("length"), rows(CELLS), ["a", "b"], [0, 1])
    assert "| curve | prompt length | a | b | mean | trained parameters |" in text
    assert "| vpt-deep | 1 | 55.0 ± 7.1 | 80.0 ± 0.0 | 67.5 ± 3.5 | 200 |" in text
    assert "| vpt-deep | 5 | 70.0 ± 0.0 | – |" in text
    assert "mean ± standard deviation over 2 seeds (0, 1)" in text
    alone = markdown(find_study("length"), rows(CELLS[:1]), ["a"], [0])
    assert "| vpt-deep | 1 | 50.0 | 100 |" in alone
    assert "one training each (seed 0)" in alone


def test_json_holds_rows_and_cells() -> None:
    found = json.loads(json.dumps(as_json(find_study("length"), rows(CELLS), CELLS)))
    assert (found["study"], len(found["rows"]), len(found["cells"])) == ("length", 3, 7)


def test_figure_has_a_panel_for_each_data_set_and_their_mean() -> None:
    figure = draw(find_study("length"), rows(CELLS), ["a", "b"])
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["mean", "a", "b"]
    mean, first, _ = panels
    assert first.get_xscale() == "log"
    curve = first.containers[0].lines[0]
    assert list(curve.get_xdata()) == [1, 5]
    assert list(curve.get_ydata()) == pytest.approx([55, 70])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["linear", "vpt-deep"]
    assert mean.get_xlabel() == "prompt length"


def test_figure_of_names(tmp_path: Path) -> None:
    cells = [
        CellResult(curve, value, "a", 0, 0.5, 1, 1.0)
        for curve in ("vpt-shallow", "vpt-deep")
        for value in ("prepend", "add")
    ]
    figure = draw(find_study("location"), rows(cells), ["a"])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["prepend", "add"]
    save(figure, tmp_path / "location.png")
    assert (tmp_path / "location.png").read_bytes().startswith(b"\x89PNG")
    save(figure, tmp_path / "location.svg")
    with pytest.raises(
        UsageError, match=r"^out: expected a name that ends in one of .*png.*, found 'x.txt'$"
    ):
        save(figure, tmp_path / "x.txt")
