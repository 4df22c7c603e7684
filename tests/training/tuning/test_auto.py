"""Choosing the method on the validation part within a time budget."""

from pathlib import Path
from typing import Any

import pytest

from facet_vision.prompts_store import TaskFile
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import find
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.recipe import Recipe
from facet_vision.training.tuning import auto
from facet_vision.training.tuning.auto import CANDIDATES, choose_method, recipes_of
from tests.training.support.command import run_train

SCORES: dict[str, float | None] = {"linear": 0.5, "vpt-deep": 0.7, "lora": 0.9, "ssf": 0.9}
SECONDS = {"linear": 1.0, "vpt-deep": 10.0, "lora": 20.0}


class Trials:
    """Stands for the trials: what each scores, and how the clock advances by it."""

    def __init__(self, scores: dict[str, float | None]) -> None:
        self.scores = scores
        self.now = 0.0
        self.tried: list[str] = []

    def run(self, recipe: Recipe, _: Any) -> tuple[float | None, str]:
        assert recipe.measure_on == "validation"
        self.tried.append(recipe.method)
        self.now += SECONDS.get(recipe.method, 20.0)
        return self.scores.get(recipe.method, 0.1), "tried"


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Trials:
    made = Trials(dict(SCORES))
    monkeypatch.setattr(auto, "run_trial", made.run)
    return made


def choose(trials: Trials, budget: float, lines: list[str] | None = None) -> Recipe:
    recipes = recipes_of(new_recipe, None, {"data": "digits", "task": "t", "method": "auto"})
    say = ([] if lines is None else lines).append
    return choose_method(recipes, None, say, budget, lambda: trials.now)  # type: ignore[arg-type]


def test_the_best_of_all_is_chosen_and_the_first_of_equals(trials: Trials) -> None:
    chosen = choose(trials, 1e6)
    assert trials.tried == list(CANDIDATES)
    assert (chosen.method, chosen.measure_on) == ("lora", "test")
    assert chosen.lr == find("lora").defaults["lr"]


@pytest.mark.parametrize(
    ("budget", "tried"),
    [
        (0, ["linear", "vpt-deep"]),
        (30, ["linear", "vpt-deep"]),
        (31, ["linear", "vpt-deep", "lora"]),  # 11 seconds so far, and twice the longest
        (71, ["linear", "vpt-deep", "lora", "adaptformer"]),
    ],
)
def test_the_budget_keeps_time_for_the_final_training(
    trials: Trials, budget: float, tried: list[str]
) -> None:
    lines: list[str] = []
    choose(trials, budget, lines)
    assert trials.tried == tried
    assert any(f"no time to try {CANDIDATES[len(tried)]}" in line for line in lines)


def test_trials_that_fail_are_passed_over(trials: Trials) -> None:
    trials.scores = dict.fromkeys(CANDIDATES) | {"bias": 0.2}
    assert choose(trials, 1e6).method == "bias"
    trials.scores = dict.fromkeys(CANDIDATES)
    with pytest.raises(TrainingError, match="expected a trial that succeeds, found that all fail"):
        choose(trials, 1e6)


def test_every_candidate_can_be_served() -> None:
    assert all(find(name).served for name in CANDIDATES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rank": 3}, "rank: expected no value for method auto, found 3"),
        ({"search": "paper"}, "search: expected no grid for method auto, found 'paper'"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_values_of_one_method_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        recipes_of(new_recipe, None, {"data": "digits", "task": "t"} | given)


def test_the_command_trains_by_the_best(colours: Path, tmp_path: Path) -> None:
    out, recipe = tmp_path / "t.safetensors", tmp_path / "recipe.toml"
    recipe.write_text('method = "auto"\nepochs = 1\n')
    common = ("--task", "colours", "--out", out, "--device", "cpu")
    code, _, stderr = run_train(colours, *common, "--recipe", recipe, "--budget", 0)
    assert code == 0, stderr
    chosen = TaskFile.load(out).manifest.method
    assert f"chosen: {chosen}" in stderr
    assert chosen in ("linear", "vpt-deep")
    code, _, stderr = run_train(colours, *common, "--method", "linear", "--budget", 5)
    assert code != 0
    assert "budget: expected no value without --method auto, found 5" in stderr
