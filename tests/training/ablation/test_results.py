"""Finished cells, which survive a kill, and the report on them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from facet_vision.common.errors import UsageError
from facet_vision.common.figures import save
from facet_vision.training.ablation.figure import draw
from facet_vision.training.ablation.report import MEAN, About, CellResult, as_json, markdown, rows
from facet_vision.training.ablation.studies import find_study
from facet_vision.training.errors import TrainingError
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


# Reports


def _cell(curve: str, value: str, data: str, seed: int, accuracy: float, size: int) -> CellResult:
    chosen, ends = {"lr": 0.25, "head_lr": 0.5}, {"lr": "highest"}
    return CellResult(curve, value, data, seed, accuracy, 0.75, chosen, ends, size, 1.0)


CELLS = [
    _cell("vpt-deep", "1", "a", 0, 0.50, 100),
    _cell("vpt-deep", "1", "a", 1, 0.60, 100),
    _cell("vpt-deep", "1", "b", 0, 0.80, 300),
    _cell("vpt-deep", "1", "b", 1, 0.80, 300),
    _cell("vpt-deep", "5", "a", 0, 0.70, 500),
    _cell("linear", "", "a", 0, 0.40, 10),
    _cell("linear", "", "b", 0, 0.40, 20),
]
DATA = ("a", "b")
ABOUT = About(DATA, (0, 1), 3, "f" * 64, ("points x",), "facet ablate length a b")


def test_rows_are_means_over_seeds_and_data() -> None:
    first, second, level = rows(CELLS, DATA)
    assert first.accuracy == pytest.approx({"a": 0.55, "b": 0.80, MEAN: 0.675})
    assert first.spread == pytest.approx({"a": 0.005**0.5, "b": 0.0, MEAN: 0.5 * 0.005**0.5})
    assert (first.parameters, level.value) == (200, "")
    assert second.accuracy == {"a": 0.7}, "no mean over fewer tasks than elsewhere"


def test_markdown_table() -> None:
    text = markdown(find_study("length"), rows(CELLS, DATA), ABOUT)
    assert "| curve | prompt length | a | b | mean | trained parameters |" in text
    assert "| vpt-deep | 1 | 55.0 ± 7.1 | 80.0 ± 0.0 | 67.5 ± 3.5 | 200 |" in text
    assert "| vpt-deep | 5 | 70.0 ± 0.0 | – |" in text
    assert "mean ± standard deviation over 2 seeds (0, 1)" in text
    assert "| vpt-deep | 5 | lr 0.25 ↑, head_lr 0.5 | – |" in text
    assert "its own search of 3 trials on a validation part with seed 0" in text
    assert "Added later: points x." in text
    alone_about = replace(ABOUT, data=("a",), seeds=(0,), trials=0, added=())
    alone = markdown(find_study("length"), rows(CELLS[:1], ["a"]), alone_about)
    assert "| vpt-deep | 1 | 50.0 | 100 |" in alone
    assert "one training each (seed 0)" in alone
    assert "Chosen" not in alone


def test_json_holds_rows_and_cells() -> None:
    found = json.loads(json.dumps(as_json(find_study("length"), rows(CELLS, DATA), CELLS, ABOUT)))
    assert (found["study"], len(found["rows"]), len(found["cells"])) == ("length", 3, 7)


def test_figure_has_a_panel_for_each_data_set_and_their_mean() -> None:
    figure = draw(find_study("length"), rows(CELLS, DATA), ["a", "b"])
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
        _cell(curve, value, "a", 0, 0.5, 1)
        for curve in ("vpt-shallow", "vpt-deep")
        for value in ("prepend", "add")
    ]
    figure = draw(find_study("location"), rows(cells, ["a"]), ["a"])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["prepend", "add"]
    save(figure, tmp_path / "location.png")
    assert (tmp_path / "location.png").read_bytes().startswith(b"\x89PNG")
    save(figure, tmp_path / "location.svg")
    with pytest.raises(
        UsageError, match=r"^out: expected a name that ends in one of .*png.*, found 'x.txt'$"
    ):
        save(figure, tmp_path / "x.txt")
