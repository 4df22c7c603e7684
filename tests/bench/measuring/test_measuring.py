"""What all benchmarks share: turns, spreads, reports and figures."""

import json
import math
from pathlib import Path

import pytest

from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.spread import Spread, percentile
from facet_vision.bench.measuring.timing import in_turns, side_by_side
from facet_vision.bench.reporting.figures import bars, curves
from facet_vision.bench.reporting.report import Column, Report, Section


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    side_by_side({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2, warmup=0)
    assert calls == ["a", "b", "b", "a"]


def test_warming_up_is_not_counted() -> None:
    answers = iter(range(10))
    assert in_turns({"a": lambda: next(answers)}, rounds=2, warmup=1) == {"a": [1, 2]}


def test_ratios_are_taken_round_by_round() -> None:
    base, slow = Spread((1.0, 2.0, 40.0)), Spread((2.0, 4.0, 80.0))
    assert slow.over(base).rounds == (2.0, 2.0, 2.0)
    assert slow.over(base).text() == "2.00 (2.00 to 2.00)"


def test_a_spread_is_its_median_with_quartiles() -> None:
    spread = Spread((1.0, 2.0, 3.0, 4.0, 5.0))
    assert spread.to_json() == {
        "median": 3.0,
        "quartiles": [2.0, 4.0],
        "rounds": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
    assert spread.text(1, 1e3) == "3000.0 (2000.0 to 4000.0)"
    assert Spread((1.5,)).text(1) == "1.5"


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.995, 100), (1.0, 100), (0.001, 1)]
)
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected
    assert math.isnan(percentile([], share))


def test_a_report_says_where_it_was_made(tmp_path: Path) -> None:
    records = [{"form": "a", "seconds": Spread((0.5, 1.5)), "note": None}]
    columns = [Column.of("form"), Column.of("seconds", "ms", 0, 1e3), Column.of("note")]
    figures = {"bars": bars({"a": Spread((1.0, 2.0))}, "x")}
    report = Report(
        "test",
        {"tasks": [1, 2]},
        environment(["pytest"]),
        [Section("One", records, columns)],
        figures,
    )
    report.write(tmp_path)
    text = (tmp_path / "test.md").read_text()
    assert "tasks 1, 2." in text
    assert "| a | 1000 (750 to 1250) |  |" in text
    assert f"pytest {pytest.__version__}" in text
    assert json.loads((tmp_path / "test.json").read_text())["sections"]["One"][0]["seconds"][
        "rounds"
    ] == [0.5, 1.5]
    assert (tmp_path / "test-bars.png").exists()


def test_a_package_that_is_missing_is_not_named() -> None:
    assert "no-such-package" not in environment(["no-such-package"])


def test_curves_are_drawn(tmp_path: Path) -> None:
    lines = {"a": [(1, Spread((1.0, 2.0))), (10, Spread((2.0, 3.0)))], "b": [(1, Spread((1.0,)))]}
    curves(dict.fromkeys("1234", lines), "x", "y", log=True)(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000
