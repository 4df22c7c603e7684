"""The forward benchmark measures what it says, on a backbone small enough for a test."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.forward import BARE, MIXED, PREFIX, TOKENS, measure, table
from bench.timing import Timing, side_by_side
from cli import app


def test_all_four_forwards_are_timed_in_every_round() -> None:
    timings = measure("facet-tiny", prompts=3, batch=2, rounds=2)
    assert [timing.name for timing in timings] == [BARE, TOKENS, PREFIX, MIXED]
    assert all(len(timing.seconds) == 2 for timing in timings)
    assert all(second > 0 for timing in timings for second in timing.seconds)


def test_ratios_are_taken_round_by_round() -> None:
    base, slow = Timing("base", (1.0, 2.0, 4.0)), Timing("slow", (2.0, 4.0, 8.0))
    assert slow.ratio(base) == pytest.approx((2.0, 2.0, 2.0))
    assert "| slow | 4000.0 ms | 2.000 | 2.000 to 2.000 |" in table([base, slow])


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    side_by_side({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2, warmup=0)
    assert calls == ["a", "b", "b", "a"]


def test_the_command_prints_a_table_and_writes_the_figures(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    options = ["--backbone", "facet-tiny", "--prompts", "3", "--batch", "2", "--rounds", "1", "--output", str(output)]
    done = CliRunner().invoke(app, ["bench", "forward", *options])
    assert done.exit_code == 0, done.output
    assert "facet-tiny, 3 prompts in every layer, batch 2, float32, 1 rounds" in done.output
    assert set(json.loads(output.read_text())["figures"]) == {BARE, TOKENS, PREFIX, MIXED}
