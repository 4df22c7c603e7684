"""The steps of a recipe: stage by stage, on validation parts, the best kept."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.training.ablation.recipe import run as runs
from facet_vision.training.ablation.recipe.run import RecipePlan, ablate_recipe, best
from facet_vision.training.ablation.recipe.stages import STAGES, Alternative, Stage
from facet_vision.training.methods import find
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe, make_recipe

SCORES = {"paper": 0.5, "zero": 0.7, "small": 0.6, "probe": 0.65}


def score(recipe: Recipe) -> float:
    """Stands for a training: best with a zero head, a rate of 0.06 and no average."""
    found = SCORES[recipe.head_init] - abs(recipe.lr - 0.06) - recipe.ema / 10
    return found + (0.01 if recipe.data == "digits" else 0.0)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Let trainings end at once; return their recipes."""
    found: list[Recipe] = []

    @contextmanager
    def workers(_jobs: int, _device: str) -> Iterator[Callable[[Recipe, None], Future[Any]]]:
        def train(recipe: Recipe, _: None) -> Future[Any]:
            found.append(recipe)
            done: Future[Any] = Future()
            done.set_result({"score": score(recipe), "seconds": 1.0})
            return done

        yield train

    monkeypatch.setattr(runs, "workers", workers)
    return found


def plan(method: str = "vpt-deep", **given: Any) -> RecipePlan:
    overrides = RecipeOverrides(None, {"epochs": 2})
    return RecipePlan(method, ("digits", "count"), (0, 1), overrides, "cpu", 2, **given)


def test_what_wins_a_stage_is_kept_in_the_next(trained: list[Recipe], tmp_path: Path) -> None:
    lines: list[str] = []
    files = ablate_recipe(plan(), tmp_path, lines.append)
    assert all(recipe.measure_on == "validation" for recipe in trained)
    assert "start of the head: zero" in lines
    assert "learning rates: 0.3 of both" in lines
    last = trained[-1]
    assert (last.head_init, last.lr, last.head_lr, last.ema) == ("zero", 0.06, 0.024, 0.0)
    text = files[0].read_text()
    assert "**zero**" in text
    assert "+20.0 (+20.0 to +20.0)" in text
    assert 'head_init = "zero"' in text
    found = json.loads(files[1].read_text())
    assert [stage["stage"] for stage in found] == [stage.name for stage in STAGES]
    count = len(trained)
    ablate_recipe(plan(), tmp_path, lines.append)
    assert len(trained) == count, "finished trainings are not repeated"


def test_only_what_the_method_reads_is_compared(trained: list[Recipe], tmp_path: Path) -> None:
    _, numbers = ablate_recipe(plan("lora"), tmp_path, lambda _: None)
    stages = {stage["stage"] for stage in json.loads(numbers.read_text())}
    assert "start of the prompts" not in stages
    assert stages >= {"start of the head", "stochastic depth"}
    assert trained


def test_the_first_of_equals_is_kept() -> None:
    cells = {("a", 0): 0.5, ("b", 0): 0.7}
    assert best({"as before": cells, "other": dict(cells)}) == "as before"
    assert best({"as before": cells, "other": {("a", 0): 0.4, ("b", 0): 0.9}}) == "other"


def test_rates_are_scaled_apart() -> None:
    given = {"data": "x", "task": "x", "method": "vpt-deep"}
    recipe = make_recipe(given, find("vpt-deep").defaults)
    scaled = Alternative("", factors={"lr": 0.3}).applied(recipe)
    assert (scaled.lr, scaled.head_lr) == (0.06, 0.08)
    scaled = Alternative("", factors={"head_lr": 0.5}).applied(recipe)
    assert (scaled.lr, scaled.head_lr) == (0.2, 0.04)


def test_every_stage_begins_with_what_was() -> None:
    for stage in STAGES:
        assert not stage.alternatives[0].fields
        assert len({each.name for each in stage.alternatives}) == len(stage.alternatives) > 1
        assert stage.is_read_by("vpt-deep")
    assert not Stage("", (Alternative("", {"prompt_init": "patches"}),)).is_read_by("full")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--values", "a"], "values: expected none for the study recipe, found 'a'"),
        (["--methods", "magic"], "method: expected one of"),
        (["--no-train"], "no-train: expected none for the study recipe, found it"),
    ],
)
def test_what_does_not_fit_is_said_at_once(options: list[str], words: str, tmp_path: Path) -> None:
    command = ["ablate", "recipe", "digits", "--out", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "out").exists()
